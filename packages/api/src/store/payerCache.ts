import { LRUCache } from 'lru-cache'
import type { Payer } from '../Payer.ts'
import { covers, type Resource } from '../Resource.ts'
import type { Db } from './database.ts'
import * as tokens from './tokens.ts'

/**
 * Remembers whom tokens stand for, so that most requests cost no query. Everything is forgotten when any token is
 * revoked (`store/notices.ts`), and each after half a minute, which keeps `last_used_at` true.
 */
export class PayerCache {
  readonly #db: Db
  readonly #known = new LRUCache<string, tokens.Authenticated>({
    max: 10_000,
    ttl: 30_000,
  })
  #epoch = 0

  constructor(db: Db) {
    this.#db = db
  }

  /** Whose secret this is: undefined when it is unknown, revoked, expired, or made for another resource. */
  async find(secret: string, now: Date, resource: Resource): Promise<Payer | undefined> {
    const key = tokens.hashOf(secret).toString('base64')
    const it = this.#known.get(key) ?? (await this.#look(key, secret, now))
    const isGood = it && !(it.expiresAt && it.expiresAt <= now) && covers(it.resource, resource)
    return isGood ? it.payer : undefined
  }

  async #look(key: string, secret: string, now: Date): Promise<tokens.Authenticated | undefined> {
    const epoch = this.#epoch
    const found = await tokens.authenticate(this.#db, secret, now)
    if (found && epoch === this.#epoch) this.#known.set(key, found)
    return found
  }

  forget(): void {
    this.#epoch++
    this.#known.clear()
  }
}
