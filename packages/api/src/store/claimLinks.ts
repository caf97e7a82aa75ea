import { createHash, randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Db } from './database.ts'

const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()

/**
 * A new secret by which a project can be claimed, once; the one before ends. Undefined when the project is not that of the
 * account any more.
 */
export async function issue(
  db: Db,
  it: { projectId: string; accountId: string; expiresAt: Date },
): Promise<string | undefined> {
  const secret = randomBytes(32).toString('base64url')
  // Locked, so that a move is over, or still to come and ends it.
  const { rows } = await sql`
    insert into claim_link (project_id, hash, expires_at)
    select project_id, ${hashOf(secret)}, ${it.expiresAt} from project
    where project_id = ${it.projectId} and account_id = ${it.accountId} for share
    on conflict (project_id) do update set hash = excluded.hash, expires_at = excluded.expires_at
    returning project_id`.execute(db)
  return rows.length > 0 ? secret : undefined
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
