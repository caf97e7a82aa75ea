import { limits } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import { Moved, type ScheduledOutcome } from '../engine/Engine.ts'
import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import * as deployments from '../store/deployments.ts'
import * as projects from '../store/projects.ts'
import { loadApp } from './load-app.ts'

export interface CronRun extends ScheduledOutcome {
  durationMs: number
}

/**
 * Calls the `scheduled` handler of what is live in a project, once. Counts as a request, and a failure is logged. Its
 * outcome is the runtime's word, or the code of the error that kept the app from running to its end; never rejects.
 */
export async function runCron(
  jack: Jack,
  project: Project,
  cron: string,
  scheduledAt: Date,
): Promise<CronRun> {
  const { projectId, liveDeploymentId: deploymentId } = project
  const startedAt = performance.now()
  const { outcome, error } = await call(jack, project, cron, scheduledAt)
  jack.recorder.request(projectId, { failed: outcome !== 'ok', durationMs: null })
  if (outcome !== 'ok') {
    const message = `[cron] ${cron}: it failed: ${error ?? outcome}`
    jack.recorder.line({ projectId, deploymentId, at: jack.now(), level: 'error', message })
  }
  const durationMs = Math.round(performance.now() - startedAt)
  return { outcome, ...(error !== undefined && { error }), durationMs }
}

async function call(
  jack: Jack,
  project: Project,
  cron: string,
  scheduledAt: Date,
): Promise<ScheduledOutcome> {
  const { scheduledMs } = limits.hosting
  try {
    const deployment =
      project.liveDeploymentId && (await deployments.find(jack.db, project.liveDeploymentId))
    if (!deployment) throw new JackError('not_found', 'Nothing is deployed.')
    return await jack.engine.scheduled(
      { deploymentId: deployment.deploymentId, revision: project.envRevision },
      () => loadApp(jack, project, deployment),
      { cron, scheduledAt },
      AbortSignal.timeout(scheduledMs),
    )
  } catch (error) {
    if (error instanceof Moved) {
      const now = await projects.findById(jack.db, project.projectId)
      // Its new version has this on its schedule, or had it taken off.
      if (now && now.liveDeploymentId !== project.liveDeploymentId)
        return call(jack, now, cron, scheduledAt)
    }
    if (error instanceof JackError) return { outcome: error.code, error: error.message }
    if ((error as Error).name === 'TimeoutError')
      return {
        outcome: 'app_failed',
        error: `It took longer than ${scheduledMs / 60_000} minutes.`,
      }
    jack.log.error({ err: error, projectId: project.projectId }, 'cron')
    return { outcome: 'internal', error: 'The handler could not be called.' }
  }
}
