import type { Background } from './background.ts'
import type { Db } from './database.ts'
import { Gathering } from './gathering.ts'
import { captureAll } from './ledger.ts'

/**
 * Captures reservations a moment later and many at once. The money is set aside already, so that nobody waits for it,
 * and an account that runs much is locked and written once for many executions. What a crash cuts off is released
 * later: the customer's gain.
 */
export class Captures extends Gathering<string> {
  constructor(db: Db, background: Background) {
    super(background, 20, (reservationIds) => captureAll(db, reservationIds))
  }
}
