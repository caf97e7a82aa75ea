import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { LRUCache } from 'lru-cache'
import type { NewLogLine } from '../store/logs.ts'
import type { StackAnswer, StackJob } from './sourceMapThread.ts'

/** A version's main module and its source map, of `MOST_MAP_BYTES` at most; null when there is none. */
export type LoadSource = (deploymentId: string) => Promise<StackJob['source'] | null>

export const MOST_MAP_BYTES = 16 * 1_048_576
const MEMORY_MB = 256
/** Without work for so long the thread ends. */
const IDLE_MS = 60_000

/**
 * Puts stacks in log lines into the words of the author's files. Maps come from whoever deploys, so they are read in a
 * thread of its own, with little memory and little time: one that takes more loses its right to be read, and lines
 * stay as they were. Never fails, never keeps lines for longer than `patienceMs`.
 */
export class SourceMaps {
  readonly #load: LoadSource
  readonly #jobMs: number
  readonly #patienceMs: number
  /** Versions without a map, or with one that is no good. */
  readonly #without = new LRUCache<string, true>({ max: 10_000, ttl: 600_000 })
  #thread: Worker | undefined
  #idle: NodeJS.Timeout | undefined
  #working: Promise<unknown> = Promise.resolve()

  constructor(load: LoadSource, { jobMs = 2_000, patienceMs = 3_000 } = {}) {
    this.#load = load
    this.#jobMs = jobMs
    this.#patienceMs = patienceMs
  }

  async mapped(lines: NewLogLine[]): Promise<NewLogLine[]> {
    const byDeployment = Map.groupBy(
      lines.filter((line) => hasStack(line) && !this.#without.has(line.deploymentId as string)),
      (line) => line.deploymentId as string,
    )
    if (byDeployment.size === 0) return lines
    const messages = new Map<NewLogLine, string>()
    const until = performance.now() + this.#patienceMs
    const work = [...byDeployment].map(async ([deploymentId, some]) => {
      const stacks = some.map((line) => line.message)
      const answer = await this.#inTurn(() => this.#map(deploymentId, stacks, until))
      answer?.forEach((message, i) => {
        messages.set(some[i] as NewLogLine, message)
      })
    })
    await Promise.race([Promise.all(work), sleep(this.#patienceMs, undefined, { ref: false })])
    return lines.map((line) => ({ ...line, message: messages.get(line) ?? line.message }))
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    await this.#thread?.terminate()
    this.#thread = undefined
  }

  /** One at a time, so that it is known whose map takes too long. */
  #inTurn<T>(work: () => Promise<T>): Promise<T | undefined> {
    const turn = this.#working.then(work).catch(() => undefined)
    this.#working = turn
    return turn
  }

  async #map(deploymentId: string, stacks: string[], until: number): Promise<StackAnswer> {
    if (performance.now() > until || this.#without.has(deploymentId)) return null
    const known = await this.#ask({ deploymentId, stacks })
    if (known) return known
    const source = await this.#load(deploymentId)
    if (!source) this.#without.set(deploymentId, true)
    return source ? this.#ask({ deploymentId, stacks, source }) : null
  }

  /** Ends the thread when it does not answer in time, or runs out of memory. */
  async #ask(job: StackJob): Promise<StackAnswer> {
    const thread = this.#start()
    const over = new AbortController()
    try {
      const answered = once(thread, 'message', { signal: over.signal })
      thread.postMessage(job)
      const late = sleep(this.#jobMs, undefined, { signal: over.signal }).then(() => {
        throw new Error('The source map takes too long')
      })
      const [answer] = (await Promise.race([answered, late])) as [StackAnswer]
      return answer
    } catch (error) {
      if (job.source) this.#without.set(job.deploymentId, true)
      await this.close()
      throw error
    } finally {
      over.abort()
    }
  }

  #start(): Worker {
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => void this.close(), IDLE_MS).unref()
    if (this.#thread) return this.#thread
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    const thread = new Worker(new URL(`./sourceMapThread.${extension}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
      // Types are stripped by Node; nothing of a test runner's or a debugger's belongs here.
      execArgv: [],
    })
    thread.unref()
    thread.on('error', () => {
      if (this.#thread === thread) this.#thread = undefined
    })
    this.#thread = thread
    return thread
  }
}

const hasStack = ({ deploymentId, message }: NewLogLine): boolean =>
  deploymentId !== null && /:\d{1,9}:\d{1,9}/.test(message) && message.includes('\n    at ')
