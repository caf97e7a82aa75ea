import { sql } from 'kysely'
import { JackError } from '../Errors.ts'
import type { Db } from './database.ts'

export interface StoredAnswer {
  status: number
  body: string
}

/** An unfinished request is taken to be lost after this long, and its key may be used again. */
const lostAfterSeconds = 120

/**
 * Claims a key for a request. Answers the stored answer when the same request was answered before, or undefined when
 * the caller shall do the work and then `finish` or `abandon`.
 * Throws `idempotency_conflict` for another request under the key, `conflict` while the first is under way.
 */
export async function begin(
  db: Db,
  accountId: string,
  key: string,
  fingerprint: string,
): Promise<StoredAnswer | undefined> {
  const { rows } = await sql<{ taken: boolean }>`
    insert into idempotency (account_id, key, fingerprint) values (${accountId}, ${key}, ${fingerprint})
    on conflict (account_id, key) do update set fingerprint = excluded.fingerprint, created_at = now()
      where idempotency.status is null
        and idempotency.created_at < now() - make_interval(secs => ${lostAfterSeconds})
    returning true as taken`.execute(db)
  if (rows.length > 0) return undefined
  const row = await db
    .selectFrom('idempotency')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('key', '=', key)
    .executeTakeFirst()
  if (row && row.fingerprint !== fingerprint) {
    throw new JackError(
      'idempotency_conflict',
      'This Idempotency-Key was used for another request.',
      {
        hint: 'Use a new key for a new request; repeat a key only with exactly the same request.',
      },
    )
  }
  if (row?.status != null && row.body != null) return { status: row.status, body: row.body }
  throw new JackError('conflict', 'A request with this Idempotency-Key is under way.', {
    hint: 'Wait for its answer, then repeat the request to read it.',
    retryAfterSeconds: 1,
  })
}

/** Keeps the answer for repeats of the request. */
export async function finish(
  db: Db,
  accountId: string,
  key: string,
  { status, body }: StoredAnswer,
): Promise<void> {
  await db
    .updateTable('idempotency')
    .set({ status, body })
    .where('account_id', '=', accountId)
    .where('key', '=', key)
    .execute()
}

/** Frees the key of a request that changed nothing, so that a repeat does the work. */
export async function abandon(db: Db, accountId: string, key: string): Promise<void> {
  await db
    .deleteFrom('idempotency')
    .where('account_id', '=', accountId)
    .where('key', '=', key)
    .where('status', 'is', null)
    .execute()
}

/** Forgets answers after their 24 hours. */
export async function forgetOld(db: Db, before: Date): Promise<void> {
  await db.deleteFrom('idempotency').where('created_at', '<', before).execute()
}
