import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import { stillSuspended } from '../Suspension.ts'
import * as projects from '../store/projects.ts'
import { forgetStrikes } from '../store/suspensions.ts'
import { changeOwn } from './change-project.ts'
import { resumeProjects } from './resume-projects.ts'

/**
 * Lets a suspended project answer again; changes nothing of one that does. Throws `insufficient_balance` or
 * `budget_exceeded` while that is still so, and `gone` when the project has expired.
 */
export async function resumeProject(jack: Jack, project: Project): Promise<Project> {
  const { projectId, suspension } = project
  if (project.status === 'expired') {
    throw new JackError('gone', `The project ${project.name} has reached the end of its time.`, {
      next: [{ command: 'jack deploy', when: 'to bring it back' }],
    })
  }
  if (!suspension) return project
  if (suspension.code === 'runaway') {
    return changeOwn(jack, project, async (db) => {
      await forgetStrikes(db, projectId)
      return projects.change(db, projectId, { status: 'active' })
    })
  }
  await resumeProjects(jack, { projectId })
  const now = await projects.findById(jack.db, projectId)
  if (!now) throw new JackError('not_found', 'This project does not exist any more.')
  if (now.suspension) throw stillSuspended(now, now.suspension)
  return now
}
