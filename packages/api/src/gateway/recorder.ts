import type { NewLogLine } from '../store/logs.ts'
import type { Logbook } from './logbook.ts'
import type { Meter } from './meter.ts'

/**
 * Collects what apps print and use, and stores it in batches: a request or a log line costs no query.
 * What waits is lost when the process is killed: at most one flush interval.
 */
export class Recorder {
  readonly meter: Meter
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> = Promise.resolve()

  readonly #logbook: Logbook
  readonly #onError: (error: unknown) => void

  constructor(logbook: Logbook, meter: Meter, onError: (error: unknown) => void) {
    this.#logbook = logbook
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

  line(line: NewLogLine): void {
    this.#logbook.line(line)
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
    for (const part of [this.meter, this.#logbook]) await part.flush().catch(this.#onError)
  }
}
