import { cpuStepUs } from '@jackcloud/sdk/wire'
import { stepOf } from '../Latency.ts'
import { addUsage, type Batch, noUsage, type Usage } from '../Usage.ts'

type Counter = { -readonly [K in keyof Usage]: Usage[K] } & { latency: number[] }

/**
 * Counts in memory what apps use, and hands it over in batches: a request costs no query. A batch that could not be
 * stored, or whose answer was lost, is handed over again as it was. What waits is lost when the process is killed.
 */
export class Meter {
  #handedOver: Usage = noUsage
  #counters = new Map<string, Counter>()
  /** CPU in microseconds that did not fill a step yet. */
  #cpuRest = new Map<string, number>()
  #waiting: Batch | undefined
  #number = 0

  readonly #server: string
  readonly #store: (batch: Batch) => Promise<unknown>
  readonly #now: () => Date

  /** @param server names this run of this server, and no other */
  constructor(server: string, store: (batch: Batch) => Promise<unknown>, now: () => Date) {
    this.#server = server
    this.#store = store
    this.#now = now
  }

  /** @param durationMs until the end of the answer; null when that says nothing, as of a socket */
  request(
    projectId: string,
    { failed, durationMs }: { failed: boolean; durationMs: number | null },
  ): void {
    const counter = this.#counter(projectId)
    counter.requests++
    if (failed) counter.errors++
    if (durationMs === null) return
    const step = stepOf(durationMs)
    while (counter.latency.length <= step) counter.latency.push(0)
    counter.latency[step] = (counter.latency[step] as number) + 1
  }

  cpu(projectId: string, cpuMs: number): void {
    const us = (this.#cpuRest.get(projectId) ?? 0) + whole(cpuMs * 1_000)
    const rest = us % cpuStepUs
    if (rest > 0) this.#cpuRest.set(projectId, rest)
    else this.#cpuRest.delete(projectId)
    if (us > rest) this.#counter(projectId).cpuUs += us - rest
  }

  /** Rows that D1 says it read and wrote. */
  rows(projectId: string, { read, written }: { read: number; written: number }): void {
    const counter = this.#counter(projectId)
    counter.rowsRead += whole(read)
    counter.rowsWritten += whole(written)
  }

  /** Requests that an app sent out, and bytes in both directions. */
  egress(projectId: string, { requests, bytes }: { requests: number; bytes: number }): void {
    const counter = this.#counter(projectId)
    counter.egressRequests += whole(requests)
    counter.egressBytes += whole(bytes)
  }

  /** Of all projects, since the start; without latencies. */
  get total(): Usage {
    return sum(this.#handedOver, this.#counters)
  }

  /** Hands over what waits. Rejects when that failed; then the same is handed over with the next flush. */
  async flush(): Promise<void> {
    if (this.#waiting) await this.#send(this.#waiting)
    if (this.#counters.size === 0) return
    const counted = this.#counters
    this.#counters = new Map()
    this.#handedOver = sum(this.#handedOver, counted)
    await this.#send({
      server: this.#server,
      number: ++this.#number,
      at: this.#now(),
      counted,
    })
  }

  async #send(batch: Batch): Promise<void> {
    this.#waiting = batch
    await this.#store(batch)
    this.#waiting = undefined
  }

  #counter(projectId: string): Counter {
    let counter = this.#counters.get(projectId)
    if (!counter) {
      counter = { ...noUsage, latency: [] }
      this.#counters.set(projectId, counter)
    }
    return counter
  }
}

const sum = (before: Usage, counters: ReadonlyMap<string, Usage>): Usage =>
  counters.values().reduce((sum, it) => addUsage(sum, { ...it, latency: [] }), before)

/**
 * Counts come from outside: never less than nothing, never a fraction, never more than anybody can use at once. One
 * whose cost the database cannot hold would keep everybody's batch from being stored.
 */
const whole = (count: number): number => (count > 0 ? Math.min(Math.floor(count), most) : 0)
const most = 1_000_000_000_000
