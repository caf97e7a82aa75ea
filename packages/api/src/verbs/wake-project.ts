import type { Jack } from '../jack.ts'
import * as deployments from '../store/deployments.ts'
import * as projects from '../store/projects.ts'
import { loadApp } from './load-app.ts'

/**
 * Starts what is live in a project that has something to do: an alarm or a message is due, which its process sees to by
 * itself. A project that may not run sleeps on; its alarms are late, not lost.
 */
export async function wakeProject(jack: Jack, projectId: string): Promise<void> {
  const project = await projects.findById(jack.db, projectId)
  if (project?.status !== 'active' || !project.liveDeploymentId) return
  const deployment = await deployments.find(jack.db, project.liveDeploymentId)
  if (!deployment) return
  const name = { deploymentId: deployment.deploymentId, revision: project.envRevision }
  const lease = await jack.engine.open(name, () => loadApp(jack, project, deployment))
  lease.release()
}
