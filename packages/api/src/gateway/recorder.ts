import type { Db } from '../store/database.ts'
import * as logs from '../store/logs.ts'
import type { Meter } from './meter.ts'

/** Most lines that wait for the next flush; what comes beyond is counted and told as one line. */
const waitingLines = 5_000
const waitingPerProject = 1_000

/**
 * Collects what apps print and use, and stores it in batches: a request or a log line costs no query.
 * What waits is lost when the process is killed: at most one flush interval.
 */
export class Recorder {
  readonly meter: Meter
  #lines: logs.NewLogLine[] = []
  #perProject = new Map<string, number>()
  #dropped = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> = Promise.resolve()

  readonly #db: Db
  readonly #onError: (error: unknown) => void

  constructor(db: Db, meter: Meter, onError: (error: unknown) => void) {
    this.#db = db
    this.meter = meter
    this.#onError = onError
  }

  start(everyMs = 500): void {
    this.#timer = setInterval(() => void this.flush(), everyMs)
  }

  request(...counted: Parameters<Meter['request']>): void {
    this.meter.request(...counted)
  }

  cpu(...counted: Parameters<Meter['cpu']>): void {
    this.meter.cpu(...counted)
  }

  rows(...counted: Parameters<Meter['rows']>): void {
    this.meter.rows(...counted)
  }

  egress(...counted: Parameters<Meter['egress']>): void {
    this.meter.egress(...counted)
  }

  line(line: logs.NewLogLine): void {
    const count = this.#perProject.get(line.projectId) ?? 0
    if (count >= waitingPerProject || this.#lines.length >= waitingLines) {
      this.#dropped.set(line.projectId, (this.#dropped.get(line.projectId) ?? 0) + 1)
      return
    }
    this.#perProject.set(line.projectId, count + 1)
    this.#lines.push(line)
  }

  /** Stores everything that waits. Never rejects; what could not be stored is tried again with the next flush. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#flush())
    return this.#flushing
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }

  async #flush(): Promise<void> {
    const lines = this.#lines
    for (const [projectId, count] of this.#dropped) {
      lines.push({
        projectId,
        deploymentId: null,
        at: new Date(),
        level: 'warn',
        message: `[${count} lines dropped: too many at once]`,
      })
    }
    this.#lines = []
    this.#perProject = new Map()
    this.#dropped = new Map()
    try {
      await this.meter.flush()
    } catch (error) {
      this.#onError(error)
    }
    try {
      await logs.append(this.#db, lines)
    } catch (error) {
      this.#onError(error)
      for (const line of lines) this.line(line)
    }
  }
}
