import type { Db } from '../store/database.ts'
import * as logs from '../store/logs.ts'
import * as usage from '../store/usage.ts'
import { addUsage, noUsage, type Usage } from '../Usage.ts'

/** Most lines that wait for the next flush; what comes beyond is counted and told as one line. */
const waitingLines = 5_000
const waitingPerProject = 1_000

/**
 * Collects what apps print and use, and stores it in batches: a request or a log line costs no query.
 * What waits is lost when the process is killed: at most one flush interval.
 */
export class Recorder {
  /** Of all projects, since the start. */
  total: Usage = noUsage
  #counted = new Map<string, Usage>()
  #lines: logs.NewLogLine[] = []
  #perProject = new Map<string, number>()
  #dropped = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> = Promise.resolve()

  readonly #db: Db
  readonly #onError: (error: unknown) => void

  constructor(db: Db, onError: (error: unknown) => void) {
    this.#db = db
    this.#onError = onError
  }

  start(everyMs = 500): void {
    this.#timer = setInterval(() => void this.flush(), everyMs)
  }

  request(projectId: string, failed: boolean): void {
    this.#count(projectId, { requests: 1, errors: failed ? 1 : 0, cpuMs: 0 })
  }

  cpu(projectId: string, cpuMs: number): void {
    this.#count(projectId, { requests: 0, errors: 0, cpuMs })
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
    const counted = this.#counted
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
    this.#counted = new Map()
    this.#lines = []
    this.#perProject = new Map()
    this.#dropped = new Map()
    try {
      const minute = new Date(Math.floor(Date.now() / 60_000) * 60_000)
      await usage.add(this.#db, minute, counted)
    } catch (error) {
      this.#onError(error)
      for (const [projectId, it] of counted) this.#add(projectId, it)
    }
    try {
      await logs.append(this.#db, lines)
    } catch (error) {
      this.#onError(error)
      for (const line of lines) this.line(line)
    }
  }

  #count(projectId: string, it: Usage): void {
    this.total = addUsage(this.total, it)
    this.#add(projectId, it)
  }

  #add(projectId: string, it: Usage): void {
    this.#counted.set(projectId, addUsage(this.#counted.get(projectId) ?? noUsage, it))
  }
}
