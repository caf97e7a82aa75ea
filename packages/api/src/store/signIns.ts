import { createHash } from 'node:crypto'
import type { Account } from './accounts.ts'
import type { Db } from './database.ts'

/** Days that a browser stays signed in after it was last used. */
export const signedInDays = 30

const dayMs = 86_400_000
const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()
const endOf = (now: Date) => new Date(now.getTime() + signedInDays * dayMs)

/** @param secret what the cookie holds: 256 random bits, so that a plain SHA-256 is enough */
export async function add(db: Db, secret: string, accountId: string, now: Date): Promise<void> {
  await db
    .insertInto('sign_in')
    .values({
      hash: hashOf(secret),
      account_id: accountId,
      signed_in_at: now,
      expires_at: endOf(now),
    })
    .execute()
}

/**
 * Who is signed in by a cookie: undefined when it is unknown or too old. Used once a day or more, it stays good;
 * `renewed` says that the browser has to keep it longer, too.
 */
export async function find(
  db: Db,
  secret: string,
  now: Date,
): Promise<{ account: Account; renewed: boolean } | undefined> {
  const row = await db
    .selectFrom('sign_in')
    .innerJoin('account', 'account.account_id', 'sign_in.account_id')
    .select(['account.account_id', 'slug', 'kind', 'address', 'sign_in.expires_at'])
    .where('hash', '=', hashOf(secret))
    .where('sign_in.expires_at', '>', now)
    .executeTakeFirst()
  if (!row) return undefined
  const renewed = endOf(now).getTime() - row.expires_at.getTime() > dayMs
  if (renewed)
    await db
      .updateTable('sign_in')
      .set({ expires_at: endOf(now) })
      .where('hash', '=', hashOf(secret))
      .execute()
  return {
    account: {
      accountId: row.account_id,
      slug: row.slug,
      kind: row.kind,
      address: row.address as Account['address'],
    },
    renewed,
  }
}

export async function remove(db: Db, secret: string): Promise<void> {
  await db.deleteFrom('sign_in').where('hash', '=', hashOf(secret)).execute()
}

/** Signs every browser of an account out. */
export async function removeAll(db: Db, accountId: string): Promise<void> {
  await db.deleteFrom('sign_in').where('account_id', '=', accountId).execute()
}

export async function forgetOld(db: Db, now: Date): Promise<void> {
  await db.deleteFrom('sign_in').where('expires_at', '<', now).execute()
}
