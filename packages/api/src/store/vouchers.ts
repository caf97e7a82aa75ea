import type { Authorization, Voucher } from '../Session.ts'
import type { Db } from './database.ts'
import { type Paid, type Payment, pay, payAll, type SessionSpending } from './sessions.ts'

/** How many transactions take vouchers at once: one writes while the disk has the other. */
const atOnce = 2

/** Most vouchers that one transaction takes. */
const most = 64

interface Waiting extends Payment {
  resolve(authorization: Authorization): void
  reject(error: unknown): void
}

/**
 * Takes vouchers durably. One that comes alone goes alone; those that come while others are written go together, as one
 * transaction: the disk is waited for once for all of them.
 */
export class Vouchers {
  #waiting: Waiting[] = []
  #underWay = 0
  readonly #db: Db

  constructor(db: Db) {
    this.#db = db
  }

  /** As `sessions.pay`: throws `SessionRefused`; then nothing has changed. */
  pay(voucher: Voucher, spending: SessionSpending | null): Promise<Authorization> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ voucher, spending, resolve, reject })
      if (this.#underWay < atOnce) void this.#write()
    })
  }

  async #write(): Promise<void> {
    this.#underWay++
    for (let its = this.#next(); its.length > 0; its = this.#next()) await this.#take(its)
    this.#underWay--
  }

  #next(): Waiting[] {
    return this.#waiting.splice(0, most)
  }

  async #take(its: Waiting[]): Promise<void> {
    let paid: Paid[]
    try {
      paid = await payAll(this.#db, its)
    } catch (error) {
      // Whose fault it was is found out one by one.
      if (its.length === 1) its[0]?.reject(error)
      else await Promise.all(its.map((it) => this.#alone(it)))
      return
    }
    its.forEach((it, i) => {
      try {
        it.resolve((paid[i] as Paid)())
      } catch (refused) {
        it.reject(refused)
      }
    })
  }

  async #alone({ voucher, spending, resolve, reject }: Waiting): Promise<void> {
    await pay(this.#db, voucher, spending).then(resolve, reject)
  }
}
