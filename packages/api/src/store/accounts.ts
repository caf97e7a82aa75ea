import type { Hex } from '../Session.ts'
import type { Db } from './database.ts'
import { createLedgerAccount } from './ledger.ts'

export interface Account {
  accountId: string
  slug: string
  kind: 'local' | 'wallet' | 'person'
  /** Of the wallet that it is, in lower case. */
  address: Hex | null
}

/** The account of a slug. */
async function findBySlug(db: Db, slug: string): Promise<Account | undefined> {
  const row = await db.selectFrom('account').selectAll().where('slug', '=', slug).executeTakeFirst()
  return row && toAccount(row)
}

export async function findById(db: Db, accountId: string): Promise<Account | undefined> {
  const row = await db
    .selectFrom('account')
    .selectAll()
    .where('account_id', '=', accountId)
    .executeTakeFirst()
  return row && toAccount(row)
}

/** Adds an account, or finds the one that has the slug. */
export async function ensure(db: Db, account: Omit<Account, 'address'>): Promise<Account> {
  await db
    .insertInto('account')
    .values({ account_id: account.accountId, slug: account.slug, kind: account.kind })
    .onConflict((it) => it.column('slug').doNothing())
    .execute()
  return (await findBySlug(db, account.slug)) as Account
}

/**
 * The account of a wallet, with its empty balance. Made when it is new.
 *
 * @param slugs what it may be called, the best first
 */
export async function ensureWallet(
  db: Db,
  it: { accountId: string; address: Hex; slugs: Iterable<string> },
): Promise<Account> {
  for (const slug of it.slugs) {
    const known = await findByAddress(db, it.address)
    if (known) return known
    await db
      .insertInto('account')
      .values({ account_id: it.accountId, slug, kind: 'wallet', address: it.address })
      .onConflict((on) => on.doNothing())
      .execute()
    const made = await findByAddress(db, it.address)
    if (!made) continue
    await createLedgerAccount(db, made.accountId)
    return made
  }
  throw new Error(`No name is free for ${it.address}.`)
}

/** @param address in lower case */
export async function findByAddress(db: Db, address: string): Promise<Account | undefined> {
  const row = await db
    .selectFrom('account')
    .selectAll()
    .where('address', '=', address)
    .executeTakeFirst()
  return row && toAccount(row)
}

const toAccount = (row: {
  account_id: string
  slug: string
  kind: Account['kind']
  address: string | null
}): Account => ({
  accountId: row.account_id,
  slug: row.slug,
  kind: row.kind,
  address: row.address as Hex | null,
})
