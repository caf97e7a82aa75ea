import { LRUCache } from 'lru-cache'
import type { Payer } from '../Payer.ts'
import type { Db } from './database.ts'
import * as tokens from './tokens.ts'

/**
 * Remembers whom tokens stand for, so that most requests cost no query. Everything is forgotten when any token is
 * revoked (`store/notices.ts`), and each after half a minute, which keeps `last_used_at` true.
 */
export class PayerCache {
  readonly #db: Db
  readonly #known = new LRUCache<string, { payer: Payer; expiresAt: Date | null }>({
    max: 10_000,
    ttl: 30_000,
  })
  #epoch = 0

  constructor(db: Db) {
    this.#db = db
  }

  /** Whose secret this is: undefined when it is unknown, revoked or expired. */
  async find(secret: string, now: Date): Promise<Payer | undefined> {
    const key = tokens.hashOf(secret).toString('base64')
    const known = this.#known.get(key)
    if (known) return known.expiresAt && known.expiresAt <= now ? undefined : known.payer
    const epoch = this.#epoch
    const found = await tokens.authenticate(this.#db, secret, now)
    if (found && epoch === this.#epoch) this.#known.set(key, found)
    return found?.payer
  }

  forget(): void {
    this.#epoch++
    this.#known.clear()
  }
}
