import { LRUCache } from 'lru-cache'
import type { Hex, Session } from '../Session.ts'
import { slugsOf } from '../Slug.ts'
import * as accounts from './accounts.ts'
import type { Db } from './database.ts'
import * as sessions from './sessions.ts'

export type WalletAccount = Pick<accounts.Account, 'accountId' | 'slug'>

/** Whose wallet is which account, and which channel whose session: remembered, since neither ever changes. */
export class Wallets {
  readonly #db: Db
  readonly #newAccountId: () => string
  readonly #sha256: (text: string) => string
  readonly #accounts = new LRUCache<Hex, WalletAccount>({ max: 10_000 })
  readonly #sessions = new LRUCache<Hex, Session>({ max: 10_000 })

  constructor(db: Db, make: { accountId(): string; sha256(text: string): string }) {
    this.#db = db
    this.#newAccountId = make.accountId
    this.#sha256 = make.sha256
  }

  /** The account of a wallet that proved itself; made when it is new. */
  async accountOf(address: Hex): Promise<WalletAccount> {
    const known = this.#accounts.get(address)
    if (known) return known
    const { accountId, slug } = await accounts.ensureWallet(this.#db, {
      accountId: this.#newAccountId(),
      address,
      slugs: slugsOf(address, this.#sha256),
    })
    const account = { accountId, slug }
    this.#accounts.set(address, account)
    return account
  }

  /** The session of a channel. Only what never changes of it can be relied on. */
  async sessionOf(channelId: Hex): Promise<Session | undefined> {
    const known = this.#sessions.get(channelId)
    if (known) return known
    const session = await sessions.findByChannel(this.#db, channelId)
    if (session && session.status !== 'opening') this.#sessions.set(channelId, session)
    return session
  }
}
