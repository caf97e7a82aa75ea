import { randomBytes } from 'node:crypto'
import type { Db } from './database.ts'

/** What somebody is asked for, who may answer once. */
export interface Asked {
  purpose: 'wallet' | 'github' | 'claim'
  /** The browser or the account that may answer. */
  boundTo: string
}

/**
 * A new nonce of 160 random bits, and what has to be known when it comes back.
 *
 * @param make the detail, out of the nonce
 */
export async function issue(
  db: Db,
  asked: Asked,
  expiresAt: Date,
  make: (nonce: string) => Record<string, string>,
): Promise<{ nonce: string; detail: Record<string, string> }> {
  // EIP-4361 has letters and digits only.
  const nonce = randomBytes(20).toString('hex')
  const detail = make(nonce)
  await db
    .insertInto('nonce')
    .values({
      nonce,
      purpose: asked.purpose,
      bound_to: asked.boundTo,
      detail: JSON.stringify(detail),
      expires_at: expiresAt,
    })
    .execute()
  return { nonce, detail }
}

/** The detail of a nonce, this once. Undefined when it is not one, is too old, or another one's. */
export async function take(
  db: Db,
  { purpose, boundTo }: Asked,
  nonce: string,
  now: Date,
): Promise<Record<string, string> | undefined> {
  const row = await db
    .deleteFrom('nonce')
    .where('nonce', '=', nonce)
    .where('purpose', '=', purpose)
    .where('bound_to', '=', boundTo)
    .returning(['detail', 'expires_at'])
    .executeTakeFirst()
  return row && row.expires_at > now ? row.detail : undefined
}

export async function forgetOld(db: Db, now: Date): Promise<void> {
  await db.deleteFrom('nonce').where('expires_at', '<', now).execute()
}
