import type { Trust } from '../Trust.ts'
import type { Db } from './database.ts'

/** Adds a trust. False when the account has the same one already. */
export async function add(
  db: Db,
  it: Omit<Trust, 'projectName' | 'createdAt' | 'lastUsedAt'>,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('trust')
    .values({
      trust_id: it.trustId,
      account_id: it.accountId,
      issuer: it.issuer,
      subject: it.subject,
      project_id: it.projectId,
      scopes: it.scopes,
      daily_cap_micro_usd: it.dailyCapMicroUsd,
    })
    .onConflict((on) => on.doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows === 1n
}

/** Trusts in who deploys a project that moves: they go along, or end with their tokens. */
export async function moveConfined(
  db: Db,
  projectId: string,
  it: { accountId: string; end: boolean },
): Promise<void> {
  if (it.end) await db.deleteFrom('trust').where('project_id', '=', projectId).execute()
  else
    await db
      .updateTable('trust')
      .set({ account_id: it.accountId })
      .where('project_id', '=', projectId)
      .execute()
}

/** An account's trusts, newest first. @param only a project that the asker is confined to */
export async function list(
  db: Db,
  accountId: string,
  page: { limit: number; before?: string | undefined; only: string | null },
): Promise<Trust[]> {
  const rows = await rowsOf(db)
    .where('trust.account_id', '=', accountId)
    .$if(page.before !== undefined, (it) => it.where('trust_id', '<', page.before as string))
    .$if(page.only !== null, (it) => it.where('trust.project_id', '=', page.only as string))
    .orderBy('trust_id', 'desc')
    .limit(page.limit)
    .execute()
  return rows.map(toTrust)
}

export async function find(db: Db, trustId: string): Promise<Trust | undefined> {
  const row = await rowsOf(db).where('trust_id', '=', trustId).executeTakeFirst()
  return row && toTrust(row)
}

/** Everything that is trusted of an issuer, with the slug of the account. */
export async function ofIssuer(
  db: Db,
  issuer: string,
  narrow: { account?: string | undefined; project?: string | undefined },
): Promise<(Trust & { slug: string })[]> {
  const rows = await rowsOf(db)
    .innerJoin('account', 'account.account_id', 'trust.account_id')
    .select('account.slug')
    .where('issuer', '=', issuer)
    .$if(narrow.account !== undefined, (it) => it.where('slug', '=', narrow.account as string))
    .$if(narrow.project !== undefined, (it) =>
      it.where('project.name', '=', narrow.project as string),
    )
    .orderBy('trust_id')
    .execute()
  return rows.map((row) => ({ ...toTrust(row), slug: row.slug }))
}

export async function used(db: Db, trustId: string, now: Date): Promise<void> {
  await db.updateTable('trust').set({ last_used_at: now }).where('trust_id', '=', trustId).execute()
}

/** Removes a trust and every token that was got by it. False when the account has none of that id. */
export async function remove(
  db: Db,
  accountId: string,
  trustId: string,
  only: string | null,
): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('trust')
    .where('account_id', '=', accountId)
    .where('trust_id', '=', trustId)
    .$if(only !== null, (it) => it.where('project_id', '=', only as string))
    .executeTakeFirst()
  return numDeletedRows > 0n
}

const rowsOf = (db: Db) =>
  db
    .selectFrom('trust')
    .innerJoin('project', 'project.project_id', 'trust.project_id')
    .selectAll('trust')
    .select('project.name as project_name')

const toTrust = (
  row: Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number],
): Trust => ({
  trustId: row.trust_id,
  accountId: row.account_id,
  issuer: row.issuer,
  subject: row.subject,
  projectId: row.project_id,
  projectName: row.project_name,
  scopes: row.scopes,
  dailyCapMicroUsd: row.daily_cap_micro_usd,
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at,
})
