import { setTimeout as sleep } from 'node:timers/promises'

/** How often work is tried, and how long apart. */
const pausesMs = [100, 500, 2_000, 5_000]

/**
 * Work that an answer need not wait for, such as capturing what was reserved. Tried a few times; closing waits for it.
 * A crash may lose it, so only what errs to the customer's side then belongs here.
 */
export class Background {
  readonly #running = new Set<Promise<void>>()
  readonly #onError: (error: unknown) => void

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  start(work: () => Promise<unknown>): void {
    const running = this.#run(work).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Resolves when nothing is left to do. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async #run(work: () => Promise<unknown>): Promise<void> {
    for (const pauseMs of [...pausesMs, null]) {
      try {
        await work()
        return
      } catch (error) {
        this.#onError(error)
        if (pauseMs !== null) await sleep(pauseMs)
      }
    }
  }
}
