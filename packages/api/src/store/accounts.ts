import type { Db } from './database.ts'

export interface Account {
  accountId: string
  slug: string
  kind: 'local' | 'wallet' | 'person'
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
export async function ensure(db: Db, account: Account): Promise<Account> {
  await db
    .insertInto('account')
    .values({ account_id: account.accountId, slug: account.slug, kind: account.kind })
    .onConflict((it) => it.column('slug').doNothing())
    .execute()
  return (await findBySlug(db, account.slug)) as Account
}

const toAccount = (row: { account_id: string; slug: string; kind: Account['kind'] }): Account => ({
  accountId: row.account_id,
  slug: row.slug,
  kind: row.kind,
})
