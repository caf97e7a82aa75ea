import type { Selectable } from 'kysely'
import { JackError } from '../Errors.ts'
import type { Project } from '../Project.ts'
import type { Db } from './database.ts'
import type { ProjectTables } from './tables.ts'

export interface NewProject {
  projectId: string
  accountId: string
  name: string
  label: string
  budgetMicroUsd: bigint | null
  ttlHours: number | null
  expiresAt: Date | null
}

/** Adds a project. Throws `name_taken` when the name, or the host it makes, is in use. */
export async function add(db: Db, project: NewProject): Promise<Project> {
  const row = await db
    .insertInto('project')
    .values({
      project_id: project.projectId,
      account_id: project.accountId,
      name: project.name,
      label: project.label,
      budget_micro_usd: project.budgetMicroUsd,
      ttl_hours: project.ttlHours,
      expires_at: project.expiresAt,
    })
    .onConflict((it) => it.doNothing())
    .returningAll()
    .executeTakeFirst()
  if (!row) {
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
  ttlHours?: number | null
  expiresAt?: Date | null
}

/** Changes what is named, and nothing else. Throws `not_found` when the project is gone. */
export async function change(db: Db, projectId: string, it: ProjectChange): Promise<Project> {
  const row = await db
    .updateTable('project')
    .set({
      ...(it.status !== undefined && { status: it.status }),
      ...(it.reason !== undefined && { reason: it.reason }),
      ...(it.liveDeploymentId !== undefined && { live_deployment_id: it.liveDeploymentId }),
      ...(it.envRevision !== undefined && { env_revision: it.envRevision }),
      ...(it.budgetMicroUsd !== undefined && { budget_micro_usd: it.budgetMicroUsd }),
      ...(it.ttlHours !== undefined && { ttl_hours: it.ttlHours }),
      ...(it.expiresAt !== undefined && { expires_at: it.expiresAt }),
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

/** Marks what has reached its end, and answers it. */
export async function expireDue(db: Db, now: Date): Promise<Project[]> {
  const rows = await db
    .updateTable('project')
    .set({ status: 'expired', reason: 'Its time to live is over.', updated_at: now })
    .where('status', '<>', 'expired')
    .where('expires_at', '<=', now)
    .returningAll()
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
  liveDeploymentId: row.live_deployment_id,
  envRevision: row.env_revision,
  budgetMicroUsd: row.budget_micro_usd,
  ttlHours: row.ttl_hours,
  expiresAt: row.expires_at,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})
