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
export async function findBySlug(db: Db, slug: string): Promise<Account | undefined> {
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

/**
 * The account of somebody whom another server knows, with its empty balance. Made when he is new.
 *
 * @param it.provider which server
 * @param it.subject by what it knows him, and nobody else ever
 * @param it.slugs what it may be called, the best first
 */
export async function ensurePerson(
  db: Db,
  it: { accountId: string; provider: string; subject: string; slugs: Iterable<string> },
): Promise<Account> {
  for (const slug of it.slugs) {
    const known = await findByIdentity(db, it)
    if (known) return known
    // Of two who come at once, the second finds the identity taken, and leaves no account behind.
    const made = await db.transaction().execute(async (db) => {
      const account = await db
        .insertInto('account')
        .values({ account_id: it.accountId, slug, kind: 'person' })
        .onConflict((on) => on.doNothing())
        .executeTakeFirst()
      if (!account.numInsertedOrUpdatedRows) return false
      const identity = await db
        .insertInto('identity')
        .values({ provider: it.provider, subject: it.subject, account_id: it.accountId })
        .onConflict((on) => on.doNothing())
        .executeTakeFirst()
      if (!identity.numInsertedOrUpdatedRows) {
        await db.deleteFrom('account').where('account_id', '=', it.accountId).execute()
        return false
      }
      await createLedgerAccount(db, it.accountId)
      return true
    })
    if (made) return { accountId: it.accountId, slug, kind: 'person', address: null }
  }
  const known = await findByIdentity(db, it)
  if (known) return known
  throw new Error(`No name is free for ${it.provider} ${it.subject}.`)
}

async function findByIdentity(
  db: Db,
  it: { provider: string; subject: string },
): Promise<Account | undefined> {
  const row = await db
    .selectFrom('identity')
    .innerJoin('account', 'account.account_id', 'identity.account_id')
    .select(['account.account_id', 'slug', 'kind', 'address'])
    .where('provider', '=', it.provider)
    .where('subject', '=', it.subject)
    .executeTakeFirst()
  return row && toAccount(row)
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
