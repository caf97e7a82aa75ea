import { type Selectable, sql } from 'kysely'
import type { Deployment, Version } from '../Deployment.ts'
import type { Db } from './database.ts'
import type { ProjectTables } from './tables.ts'

export async function add(db: Db, deployment: Omit<Deployment, 'createdAt'>): Promise<void> {
  await db
    .insertInto('deployment')
    .values({
      deployment_id: deployment.deploymentId,
      project_id: deployment.projectId,
      version: JSON.stringify(deployment.version),
      digest: deployment.digest,
      size_bytes: BigInt(deployment.sizeBytes),
    })
    .execute()
}

export async function find(db: Db, deploymentId: string): Promise<Deployment | undefined> {
  const row = await db
    .selectFrom('deployment')
    .selectAll()
    .where('deployment_id', '=', deploymentId)
    .executeTakeFirst()
  return row && toDeployment(row)
}

/** Newest first; `before` is the id of the last one seen. */
export async function list(
  db: Db,
  projectId: string,
  page: { limit: number; before?: string | undefined },
): Promise<Deployment[]> {
  const rows = await db
    .selectFrom('deployment')
    .selectAll()
    .where('project_id', '=', projectId)
    .$if(page.before !== undefined, (it) => it.where('deployment_id', '<', page.before as string))
    .orderBy('deployment_id', 'desc')
    .limit(page.limit)
    .execute()
  return rows.map(toDeployment)
}

export async function idsOf(db: Db, projectId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('deployment')
    .select('deployment_id')
    .where('project_id', '=', projectId)
    .execute()
  return rows.map((row) => row.deployment_id)
}

/** Notes that a version went live. */
export async function notePromotion(
  db: Db,
  projectId: string,
  deploymentId: string,
): Promise<void> {
  await db
    .insertInto('promotion')
    .values({ project_id: projectId, deployment_id: deploymentId })
    .execute()
}

/**
 * The version to go back to from the live one: what was live before it was promoted.
 * Going back twice goes back two versions, not to and fro.
 */
export async function previousOf(
  db: Db,
  projectId: string,
  liveDeploymentId: string,
): Promise<string | undefined> {
  const first = await db
    .selectFrom('promotion')
    .select((it) => it.fn.min<bigint>('promotion_id').as('id'))
    .where('project_id', '=', projectId)
    .where('deployment_id', '=', liveDeploymentId)
    .executeTakeFirst()
  if (first?.id == null) return undefined
  const row = await db
    .selectFrom('promotion')
    .select('deployment_id')
    .where('project_id', '=', projectId)
    .where('promotion_id', '<', first.id)
    .where('deployment_id', '<>', liveDeploymentId)
    .orderBy('promotion_id', 'desc')
    .executeTakeFirst()
  return row?.deployment_id
}

/** Projects with more versions than that, and their labels. */
export async function crowded(db: Db, versions: number): Promise<{ id: string; label: string }[]> {
  const { rows } = await sql<{ id: string; label: string }>`
    select project_id as id, label from project
    where (select count(*) from deployment where deployment.project_id = project.project_id) > ${versions}`.execute(
    db,
  )
  return rows
}

/**
 * Deletes the oldest versions of a project, but none that was live at `since` or later. The project should be locked.
 * Answers their ids.
 */
export async function removeOld(
  db: Db,
  projectId: string,
  keep: { versions: number; since: Date },
): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    delete from deployment where project_id = ${projectId}
      and deployment_id not in (
        select deployment_id from deployment where project_id = ${projectId}
        order by deployment_id desc limit ${keep.versions})
      and deployment_id not in (
        select deployment_id from (
          select deployment_id, lead(at, 1, 'infinity') over (order by promotion_id) as until
          from promotion where project_id = ${projectId}
        ) as it where until >= ${keep.since})
      and deployment_id not in (
        select live_deployment_id from project where project_id = ${projectId} and live_deployment_id is not null)
    returning deployment_id as id`.execute(db)
  return rows.map((row) => row.id)
}

/** A query of every blob that something needs, as `sha256`, which may be null. */
export const neededBlobs = `
  select module ->> 'sha256' as sha256
    from deployment, jsonb_array_elements(version -> 'modules') as module
  union all
  select file ->> 'sha256'
    from deployment, jsonb_array_elements(nullif(version -> 'assets', 'null') -> 'files') as file
  union all
  select version ->> 'sourceMap' from deployment`

/** Those of the blobs that a version of a project needs. */
export async function blobsNeeded(db: Db, sha256s: string[]): Promise<Set<string>> {
  const { rows } = await sql<{ sha256: string }>`
    select distinct sha256 from (${sql.raw(neededBlobs)}) as it where sha256 = any(${sha256s})`.execute(
    db,
  )
  return new Set(rows.map((row) => row.sha256))
}

const toDeployment = (row: Selectable<ProjectTables['deployment']>): Deployment => ({
  deploymentId: row.deployment_id,
  projectId: row.project_id,
  version: { ...withoutCapabilities, ...row.version },
  digest: row.digest,
  sizeBytes: Number(row.size_bytes),
  createdAt: row.created_at,
})

/** What versions lack that were stored before there were bindings. */
const withoutCapabilities: Partial<Version> = {
  bindings: [],
  crons: [],
  queueConsumers: [],
  egress: null,
}
