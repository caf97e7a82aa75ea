import type { Selectable } from 'kysely'
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
