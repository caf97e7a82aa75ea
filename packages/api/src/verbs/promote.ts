import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import * as deployments from '../store/deployments.ts'
import * as projects from '../store/projects.ts'
import { forgetStrikes } from '../store/suspensions.ts'
import { changeOwn } from './change-project.ts'
import { goLive } from './go-live.ts'
import { withTurn } from './with-turn.ts'

/**
 * Makes a version of the project live. Free. A runaway goes on with it, if it is another version. Throws `not_found`
 * when the project has no such version.
 */
export async function promote(
  jack: Jack,
  project: Project,
  deploymentId: string,
): Promise<Project> {
  const deployment = await deployments.find(jack.db, deploymentId)
  if (deployment?.projectId !== project.projectId) throw unknownDeployment(project, deploymentId)
  return withTurn(jack, project.projectId, deploymentId, () =>
    changeOwn(jack, project, async (db, current) => {
      if (current.liveDeploymentId === deploymentId) return current
      // Old versions are collected.
      if (!(await deployments.find(db, deploymentId)))
        throw unknownDeployment(project, deploymentId)
      const runaway = current.suspension?.code === 'runaway'
      if (runaway) await forgetStrikes(db, project.projectId)
      await goLive(jack, db, project.projectId, deployment, runaway ? { status: 'active' } : {})
      return projects.touch(db, project.projectId, jack.now(), jack.config.inactiveDays)
    }),
  )
}

/** Makes the version live that was live before, or the one that is named. Throws `conflict` when there is none. */
export async function rollback(
  jack: Jack,
  project: Project,
  deploymentId?: string,
): Promise<Project> {
  if (deploymentId !== undefined) return promote(jack, project, deploymentId)
  const previous =
    project.liveDeploymentId &&
    (await deployments.previousOf(jack.db, project.projectId, project.liveDeploymentId))
  if (!previous) {
    throw new JackError('conflict', 'No version was live before this one.', {
      hint: 'Name the version to go back to.',
      next: [{ command: `jack deployments ${project.name}`, when: 'to see what there is' }],
    })
  }
  return promote(jack, project, previous)
}

const unknownDeployment = (project: Project, deploymentId: string) =>
  new JackError('not_found', `The project has no deployment ${deploymentId.slice(0, 60)}.`, {
    next: [{ command: `jack deployments ${project.name}`, when: 'to see what it has' }],
  })
