import { createHash, randomBytes } from 'node:crypto'
import type { Db } from './database.ts'

const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()

/** A new secret by which a project can be claimed, once. The one before ends. */
export async function issue(db: Db, projectId: string, expiresAt: Date): Promise<string> {
  const secret = randomBytes(32).toString('base64url')
  const row = { hash: hashOf(secret), expires_at: expiresAt }
  await db
    .insertInto('claim_link')
    .values({ project_id: projectId, ...row })
    .onConflict((it) => it.column('project_id').doUpdateSet(row))
    .execute()
  return secret
}

/** Which project a secret is for; undefined when it is used, replaced, too old, or none. */
export async function find(db: Db, secret: string, now: Date): Promise<string | undefined> {
  const row = await db
    .selectFrom('claim_link')
    .select('project_id')
    .where('hash', '=', hashOf(secret))
    .where('expires_at', '>', now)
    .executeTakeFirst()
  return row?.project_id
}

export async function forgetOld(db: Db, now: Date): Promise<void> {
  await db.deleteFrom('claim_link').where('expires_at', '<', now).execute()
}
