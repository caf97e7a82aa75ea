import { JackError } from '../Errors.ts'
import { parseHost } from '../Host.ts'
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

/**
 * Any project, which anybody may pay for: by its live URL, its label ("brave-otter-api") or its id; or by name one of the
 * payer's own. Throws `not_found`.
 */
export async function findAnyProject(jack: Jack, payer: Payer, ref: string): Promise<Project> {
  const label = labelOf(jack, ref)
  const project =
    (await projects.find(jack.db, payer.accountId, ref)) ??
    (await projects.findById(jack.db, ref)) ??
    (label === null ? undefined : await projects.findByLabel(jack.db, label))
  if (project) return project
  throw new JackError('not_found', `There is no project at "${ref.slice(0, 100)}".`, {
    hint: 'Name the live URL of the project, such as https://brave-otter-api.example.',
  })
}

function labelOf(jack: Jack, ref: string): string | null {
  if (!ref.includes('.')) return ref
  try {
    const { hostname } = new URL(ref.includes('://') ? ref : `https://${ref}`)
    const target = parseHost(hostname, jack.config.domain)
    return target.kind === 'project' ? target.label : null
  } catch {
    return null
  }
}
