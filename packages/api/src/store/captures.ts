import type { Background } from './background.ts'
import type { Db } from './database.ts'
import { captureAll } from './ledger.ts'

/** How long a capture waits for others to go with it. */
const gatherMs = 20

/**
 * Captures reservations a moment later and many at once. The money is set aside already, so that nobody waits for it,
 * and an account that runs much is locked and written once for many executions. What a crash cuts off is released
 * later: the customer's gain.
 */
export class Captures {
  #waiting: string[] = []
  #timer: NodeJS.Timeout | undefined
  readonly #db: Db
  readonly #background: Background

  constructor(db: Db, background: Background) {
    this.#db = db
    this.#background = background
  }

  add(reservationId: string): void {
    this.#waiting.push(reservationId)
    this.#timer ??= setTimeout(() => this.flush(), gatherMs)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const ids = this.#waiting
    this.#waiting = []
    if (ids.length > 0) this.#background.start(() => captureAll(this.#db, ids))
  }
}
