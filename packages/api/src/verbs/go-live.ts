import { nextDue } from '../Cron.ts'
import type { Deployment } from '../Deployment.ts'
import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import * as crons from '../store/crons.ts'
import type { Db } from '../store/database.ts'
import * as deployments from '../store/deployments.ts'
import * as projects from '../store/projects.ts'

/** Makes a version live, inside of a transaction: traffic, schedule, and what else changes with it. */
export async function goLive(
  jack: Jack,
  db: Db,
  projectId: string,
  { deploymentId, version }: Pick<Deployment, 'deploymentId' | 'version'>,
  change: projects.ProjectChange = {},
): Promise<Project> {
  await deployments.notePromotion(db, projectId, deploymentId)
  const now = jack.now()
  await crons.replace(
    db,
    projectId,
    version.crons.map((expression) => ({ expression, nextAt: nextDue(expression, now) })),
  )
  return projects.change(db, projectId, { ...change, liveDeploymentId: deploymentId })
}
