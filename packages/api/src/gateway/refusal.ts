import { keepsData } from '../Deployment.ts'
import { JackError } from '../Errors.ts'
import { isExpired } from '../Project.ts'
import { reasonOf, wayBackOf } from '../Suspension.ts'
import type { Found } from './routes.ts'

/** Why a request gets no answer from an app; undefined when it may have one. */
export function refusalOf(found: Found, now: Date): JackError | undefined {
  if (!found) {
    return new JackError('not_found', 'There is no app at this address.', {
      hint: 'Check the address; `jack ls` lists your projects with theirs.',
    })
  }
  const { project } = found
  if (isExpired(project, now)) {
    return new JackError('gone', 'This app has reached the end of its time.', {
      hint: 'Its owner can bring it back with `jack renew` or a deploy, as long as it is kept.',
    })
  }
  if (project.suspension) {
    return new JackError('project_suspended', reasonOf(project.suspension), {
      hint: wayBackOf(project.suspension),
      fields: { suspension: project.suspension.code },
    })
  }
  if (!found.deployment) {
    return new JackError('not_found', 'Nothing is deployed here yet.', {
      hint: 'Deploy with `jack deploy`.',
    })
  }
  if (
    keepsData(found.deployment.version) &&
    found.deployment.deploymentId !== project.liveDeploymentId
  ) {
    return new JackError(
      'conflict',
      'This version is not live, and only a live one has its data.',
      {
        hint: `Make it live: jack promote ${project.name} ${found.deployment.deploymentId}`,
      },
    )
  }
  return undefined
}
