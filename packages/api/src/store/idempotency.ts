import { sql } from 'kysely'
import { JackError } from '../Errors.ts'
import type { Db } from './database.ts'

export interface StoredAnswer {
  status: number
  body: string
  receipt: string | null
}

/** An unfinished request is taken to be lost after this long, and its key may be used again. */
const lostAfterSeconds = 300

/** Work to do under a key. */
export interface Claim {
  /** Of what the work makes. The id that the caller chose, or that of the last try when its answer was lost. */
  workId: string
  /** There was a try before, which ended nobody knows where. */
  repeated: boolean
  /** The try before came to nothing, for good: this one goes under another id, of which the next one hears. */
  renew(workId: string): Promise<string>
}

/** Of a request without a key, which nobody can repeat. */
export const unclaimed = (workId: string): Claim => ({
  workId,
  repeated: false,
  renew: async (id) => id,
})

/**
 * Claims a key for a request. Answers the stored answer when the same request was answered before, or a claim when
 * the caller shall do the work and then `finish` or `lose`.
 * Throws `idempotency_conflict` for another request under the key, `conflict` while the first is under way.
 */
export async function begin(
  db: Db,
  accountId: string,
  key: string,
  fingerprint: string,
  workId: string,
): Promise<{ answer: StoredAnswer } | { claim: Claim }> {
  const { rows } = await sql<{ work_id: string }>`
    insert into idempotency (account_id, key, fingerprint, work_id)
    values (${accountId}, ${key}, ${fingerprint}, ${workId})
    on conflict (account_id, key) do update set lost = false, created_at = now()
      where idempotency.status is null and idempotency.fingerprint = excluded.fingerprint
        and (idempotency.lost or idempotency.created_at < now() - make_interval(secs => ${lostAfterSeconds}))
    returning work_id`.execute(db)
  const [taken] = rows
  if (taken) {
    const repeated = taken.work_id !== workId
    const renew = (id: string) => rename(db, accountId, key, id)
    return { claim: { workId: taken.work_id, repeated, renew } }
  }
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
  if (row?.status != null && row.body != null)
    return { answer: { status: row.status, body: row.body, receipt: row.receipt } }
  throw new JackError('conflict', 'A request with this Idempotency-Key is under way.', {
    hint: 'Wait for its answer, then repeat the request to read it.',
    retryAfterSeconds: 1,
  })
}

async function rename(db: Db, accountId: string, key: string, workId: string): Promise<string> {
  await db
    .updateTable('idempotency')
    .set({ work_id: workId })
    .where('account_id', '=', accountId)
    .where('key', '=', key)
    .execute()
  return workId
}

/** Keeps the answer for repeats of the request. */
export async function finish(
  db: Db,
  accountId: string,
  key: string,
  { status, body, receipt }: StoredAnswer,
): Promise<void> {
  await db
    .updateTable('idempotency')
    .set({ status, body, receipt })
    .where('account_id', '=', accountId)
    .where('key', '=', key)
    .execute()
}

/** Lets a repeat take over a request that failed, or of which nobody knows where it ended. What it paid stays paid. */
export async function lose(db: Db, accountId: string, key: string): Promise<void> {
  await db
    .updateTable('idempotency')
    .set({ lost: true })
    .where('account_id', '=', accountId)
    .where('key', '=', key)
    .where('status', 'is', null)
    .execute()
}

/** The same for all. Only for a process that has the database to itself, before it takes requests. */
export async function loseAll(db: Db): Promise<void> {
  await db.updateTable('idempotency').set({ lost: true }).where('status', 'is', null).execute()
}

/** Forgets answers after their 24 hours. */
export async function forgetOld(db: Db, before: Date): Promise<void> {
  await db.deleteFrom('idempotency').where('created_at', '<', before).execute()
}
