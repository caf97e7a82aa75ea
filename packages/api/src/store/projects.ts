import { type Selectable, sql } from 'kysely'
import { JackError } from '../Errors.ts'
import { expiryOf, type Project } from '../Project.ts'
import type { Db } from './database.ts'
import type { ProjectTables } from './tables.ts'

export interface NewProject {
  projectId: string
  accountId: string
  name: string
  label: string
  budgetMicroUsd: bigint | null
  dailyBudgetMicroUsd?: bigint | null
  ttlHours: number | null
  expiresAt: Date | null
}

/** Adds a project. Throws `name_taken` when the name, or the host it makes, is in use: also by one that was claimed. */
export async function add(db: Db, project: NewProject): Promise<Project> {
  const row = await db
    .insertInto('project')
    .values({
      project_id: project.projectId,
      account_id: project.accountId,
      name: project.name,
      label: project.label,
      budget_micro_usd: project.budgetMicroUsd,
      daily_budget_micro_usd: project.dailyBudgetMicroUsd ?? null,
      ttl_hours: project.ttlHours,
      expires_at: project.expiresAt,
    })
    .onConflict((it) => it.doNothing())
    .returningAll()
    .executeTakeFirst()
  if (!row) {
    const at = await findByLabel(db, project.label)
    if (at && at.accountId !== project.accountId) {
      throw new JackError(
        'name_taken',
        `The URL of "${project.name}" belongs to a project of another account.`,
        {
          hint: 'If you deployed it, it was claimed: deploy with a token of that account, or choose another name.',
        },
      )
    }
    throw new JackError('name_taken', `There is a project named "${project.name}" already.`, {
      hint: 'Choose another name, or deploy to the one that exists.',
    })
  }
  return toProject(row)
}

/** A project of the account by name or id. */
export async function find(db: Db, accountId: string, ref: string): Promise<Project | undefined> {
  const row = await db
    .selectFrom('project')
    .selectAll()
    .where('account_id', '=', accountId)
    .where(ref.startsWith('prj_') ? 'project_id' : 'name', '=', ref)
    .executeTakeFirst()
  return row && toProject(row)
}

/** Like `find`, but nobody else changes the project until the transaction ends. */
export async function lock(db: Db, projectId: string): Promise<Project | undefined> {
  const row = await db
    .selectFrom('project')
    .selectAll()
    .where('project_id', '=', projectId)
    .forUpdate()
    .executeTakeFirst()
  return row && toProject(row)
}

/** Like `lock`, for a `move`: runtime is counted before or after it. */
export async function lockForMove(db: Db, projectId: string): Promise<Project | undefined> {
  await sql`select runtime_lock()`.execute(db)
  return lock(db, projectId)
}

export async function findByLabel(db: Db, label: string): Promise<Project | undefined> {
  const row = await db
    .selectFrom('project')
    .selectAll()
    .where('label', '=', label)
    .executeTakeFirst()
  return row && toProject(row)
}

export async function findById(db: Db, projectId: string): Promise<Project | undefined> {
  const row = await db
    .selectFrom('project')
    .selectAll()
    .where('project_id', '=', projectId)
    .executeTakeFirst()
  return row && toProject(row)
}

/** Those of the projects that are suspended or expired. */
export async function notActiveOf(db: Db, projectIds: string[]): Promise<string[]> {
  if (projectIds.length === 0) return []
  const rows = await db
    .selectFrom('project')
    .select('project_id')
    .where('project_id', 'in', projectIds)
    .where('status', '<>', 'active')
    .execute()
  return rows.map((it) => it.project_id)
}

/** Newest first; `before` is the id of the last one seen. */
export async function list(
  db: Db,
  accountId: string,
  page: { limit: number; before?: string | undefined; only?: string | null },
): Promise<Project[]> {
  const rows = await db
    .selectFrom('project')
    .selectAll()
    .where('account_id', '=', accountId)
    .$if(page.before !== undefined, (it) => it.where('project_id', '<', page.before as string))
    .$if(page.only != null, (it) => it.where('project_id', '=', page.only as string))
    .orderBy('project_id', 'desc')
    .limit(page.limit)
    .execute()
  return rows.map(toProject)
}

export async function byIds(db: Db, ids: readonly string[]): Promise<Map<string, Project>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('project').selectAll().where('project_id', 'in', ids).execute()
  return new Map(rows.map((row) => [row.project_id, toProject(row)]))
}

/**
 * Moves a project to another account, with its data, environment, logs, versions and what is staged for it. Its label, and
 * so its URL, stays. What it used is charged to the account that it leaves.
 *
 * @param it.id of the charge
 */
export async function move(
  db: Db,
  projectId: string,
  it: { accountId: string; id: string; now: Date },
): Promise<void> {
  await sql`select project_move(${projectId}, ${it.accountId}, ${it.id}, ${it.now})`.execute(db)
}

/** How many projects an account has. */
export async function count(db: Db, accountId: string): Promise<number> {
  const row = await db
    .selectFrom('project')
    .select((it) => it.fn.countAll<bigint>().as('count'))
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow()
  return Number(row.count)
}

export interface ProjectChange {
  status?: Project['status']
  reason?: string | null
  liveDeploymentId?: string
  envRevision?: string
  budgetMicroUsd?: bigint | null
  dailyBudgetMicroUsd?: bigint | null
  ttlHours?: number | null
  expiresAt?: Date | null
  activeAt?: Date
}

/** Changes what is named, and nothing else; whatever becomes active is not suspended any more. Throws `not_found` when the project is gone. */
export async function change(db: Db, projectId: string, it: ProjectChange): Promise<Project> {
  const row = await db
    .updateTable('project')
    .set({
      ...(it.status !== undefined && { status: it.status, expired_at: null }),
      ...(it.status === 'active' && { suspension: null, suspended_at: null, evidence: null }),
      ...(it.reason !== undefined && { reason: it.reason }),
      ...(it.liveDeploymentId !== undefined && { live_deployment_id: it.liveDeploymentId }),
      ...(it.envRevision !== undefined && { env_revision: it.envRevision }),
      ...(it.budgetMicroUsd !== undefined && { budget_micro_usd: it.budgetMicroUsd }),
      ...(it.dailyBudgetMicroUsd !== undefined && {
        daily_budget_micro_usd: it.dailyBudgetMicroUsd,
      }),
      ...(it.ttlHours !== undefined && { ttl_hours: it.ttlHours }),
      ...(it.expiresAt !== undefined && { expires_at: it.expiresAt }),
      ...(it.activeAt !== undefined && { active_at: it.activeAt }),
      updated_at: new Date(),
    })
    .where('project_id', '=', projectId)
    .returningAll()
    .executeTakeFirst()
  if (!row) throw new JackError('not_found', 'This project does not exist any more.')
  return toProject(row)
}

/** Deletes a project with its versions, environment, logs and usage. The ledger keeps what was paid. */
export async function remove(db: Db, projectId: string): Promise<void> {
  await db.deleteFrom('project').where('project_id', '=', projectId).execute()
}

/** Notes that a project is used, which moves the end of one without a time to live of its own. */
export async function touch(
  db: Db,
  projectId: string,
  now: Date,
  inactiveDays: number,
): Promise<Project> {
  const row = await db
    .updateTable('project')
    .set((it) => ({
      active_at: now,
      expires_at: it
        .case()
        .when('ttl_hours', 'is', null)
        .then(expiryOf(null, inactiveDays, now))
        .else(it.ref('expires_at'))
        .end(),
    }))
    .where('project_id', '=', projectId)
    .returningAll()
    .executeTakeFirst()
  if (!row) throw new JackError('not_found', 'This project does not exist any more.')
  return toProject(row)
}

/** Notes that the projects of an account are wanted: somebody paid for them. */
export async function touchAll(db: Db, accountId: string, now: Date): Promise<void> {
  await sql`
    update project set active_at = ${now},
      expires_at = case when ttl_hours is null then expires_at + (${now} - active_at) else expires_at end
    where account_id = ${accountId} and status <> 'expired'`.execute(db)
}

/**
 * Notes which projects had requests, or money that was meant for them, since a moment. Answers those whose end was
 * near: what gateways know of them is not true any more.
 */
export async function touchUsed(db: Db, since: Date, now: Date): Promise<{ label: string }[]> {
  const { rows } = await sql<{ label: string }>`
    with used as (
      select project_id, max(at) as at from (
        select project_id, minute + interval '1 minute' as at from usage_minute
          where minute >= ${since} and requests > 0
        union all
        select project.project_id, money.created_at from ledger_transfer money join project using (account_id)
          where money.created_at >= ${since} and debit = 'external' and credit = 'available'
            and (money.project_id is null or money.project_id = project.project_id)
      ) as it group by project_id
    ), before as (
      select project_id, least(used.at, ${now}) as at, expires_at < ${now}::timestamptz + interval '25 hours' as near
      from project join used using (project_id)
      where status <> 'expired' and active_at < used.at - interval '1 minute'
    ), touched as (
      update project set active_at = before.at,
        expires_at = case when ttl_hours is null then expires_at + (before.at - active_at) else expires_at end
      from before where project.project_id = before.project_id
      returning label, near
    )
    select label from touched where near`.execute(db)
  return rows
}

/**
 * Brings the ends of projects without a time to live in line with the configuration, which may have changed.
 *
 * @param inactiveDays 0 for never
 */
export async function setInactivity(db: Db, inactiveDays: number): Promise<void> {
  const end =
    inactiveDays === 0
      ? sql<null>`null`
      : sql<Date>`active_at + ${inactiveDays * 86_400} * interval '1 second'`
  await sql`
    update project set expires_at = ${end}
    where ttl_hours is null and status <> 'expired' and expires_at is distinct from ${end}`.execute(
    db,
  )
}

/** Moves the ends that come from doing nothing: while the cloud stood still, nobody could do anything. */
export async function skipStandstill(db: Db, ms: number): Promise<void> {
  const gap = sql`${ms} * interval '1 millisecond'`
  await sql`
    update project set active_at = active_at + ${gap}, expires_at = expires_at + ${gap}
    where ttl_hours is null and status <> 'expired'`.execute(db)
  await sql`update project set expired_at = expired_at + ${gap} where status = 'expired'`.execute(
    db,
  )
}

/** Marks what has reached its end, and answers it. */
export async function expireDue(db: Db, now: Date): Promise<Project[]> {
  const { rows } = await sql<Selectable<ProjectTables['project']>>`
    update project set status = 'expired', expired_at = ${now}, updated_at = ${now},
      reason = case when ttl_hours is null then 'Nobody used it.' else 'Its time to live is over.' end
    where status <> 'expired' and expires_at <= ${now}
    returning *`.execute(db)
  return rows.map(toProject)
}

/** Lets an expired project be what it was before: active, or suspended. */
export async function unexpire(db: Db, projectId: string): Promise<void> {
  await sql`
    update project set expired_at = null, reason = null,
      status = case when suspension is null then 'active' else 'suspended' end
    where project_id = ${projectId} and status = 'expired'`.execute(db)
}

/** Expired projects that are not kept any longer. */
export async function overdue(db: Db, expiredBefore: Date): Promise<Project[]> {
  const rows = await db
    .selectFrom('project')
    .selectAll()
    .where('status', '=', 'expired')
    .where('expired_at', '<=', expiredBefore)
    .limit(100)
    .execute()
  return rows.map(toProject)
}

const toProject = (row: Selectable<ProjectTables['project']>): Project => ({
  projectId: row.project_id,
  accountId: row.account_id,
  name: row.name,
  label: row.label,
  status: row.status,
  reason: row.reason,
  suspension:
    row.status !== 'suspended' || row.suspension === null
      ? null
      : {
          code: row.suspension,
          since: row.suspended_at ?? row.updated_at,
          evidence: row.evidence ?? {},
        },
  liveDeploymentId: row.live_deployment_id,
  envRevision: row.env_revision,
  budgetMicroUsd: row.budget_micro_usd,
  dailyBudgetMicroUsd: row.daily_budget_micro_usd,
  ttlHours: row.ttl_hours,
  expiresAt: row.expires_at,
  expiredAt: row.expired_at,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
