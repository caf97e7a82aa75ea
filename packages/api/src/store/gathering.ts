import type { Background } from './background.ts'

/**
 * Work that is done a moment later and for many at once: nobody waits for it. A crash may lose what waits, so only what errs
 * to the customer's side then belongs here.
 */
export class Gathering<T> {
  #waiting: T[] = []
  #timer: NodeJS.Timeout | undefined
  readonly #background: Background
  readonly #gatherMs: number
  readonly #work: (all: T[]) => Promise<unknown>

  /** @param gatherMs how long the first waits for others to go with it */
  constructor(background: Background, gatherMs: number, work: (all: T[]) => Promise<unknown>) {
    this.#background = background
    this.#gatherMs = gatherMs
    this.#work = work
  }

  add(one: T): void {
    this.#waiting.push(one)
    this.#timer ??= setTimeout(() => this.flush(), this.#gatherMs)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const all = this.#waiting
    this.#waiting = []
    if (all.length > 0) this.#background.start(() => this.#work(all))
  }
}
