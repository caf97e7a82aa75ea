import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { type Payer, requireProject } from '../Payer.ts'
import type { Project } from '../Project.ts'
import * as projects from '../store/projects.ts'

/**
 * The payer's project by name or id. Throws `not_found`, also for a project of somebody else, and `forbidden` when
 * the token is confined to another one.
 */
export async function findProject(jack: Jack, payer: Payer, ref: string): Promise<Project> {
  const project = await projects.find(jack.db, payer.accountId, ref)
  if (!project) {
    throw new JackError('not_found', `There is no project "${ref.slice(0, 60)}".`, {
      next: [{ command: 'jack ls', when: 'to see the names of your projects' }],
    })
  }
  requireProject(payer, project.projectId)
  return project
}
