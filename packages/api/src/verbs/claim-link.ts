import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import type { Project } from '../Project.ts'
import type { Account } from '../store/accounts.ts'
import * as claimLinks from '../store/claimLinks.ts'
import * as projects from '../store/projects.ts'
import { moveProject } from './move-project.ts'

const dayMs = 86_400_000

/**
 * By which URL somebody who signs in gets what a wallet just deployed; null for what a token deployed, which has an owner to
 * sign in already. What is live stays so when there is none.
 */
export async function claimUrlOf(
  jack: Jack,
  payer: Payer,
  projectId: string,
): Promise<string | null> {
  if (payer.tokenId !== null) return null
  try {
    const expiresAt = new Date(jack.now().getTime() + dayMs)
    const secret = await claimLinks.issue(jack.db, {
      projectId,
      accountId: payer.accountId,
      expiresAt,
    })
    if (secret === undefined) return null
    // In the query, since paths are logged.
    return `${jack.urls.api}/claim?link=${secret}`
  } catch (err) {
    jack.log.warn({ err, projectId }, 'no claim link')
    return null
  }
}

/** What a link is for. Throws `not_found`. */
export async function projectOfLink(jack: Jack, secret: string): Promise<Project> {
  const projectId = await claimLinks.find(jack.db, secret, jack.now())
  const project = projectId && (await projects.findById(jack.db, projectId))
  if (project) return project
  throw new JackError(
    'not_found',
    'This link is not good: used, replaced by a later deploy, or older than a day.',
    {
      hint: 'Whoever deployed the project gets another link with the next deploy.',
    },
  )
}

/**
 * Attaches a project to an account by its link, once. Whoever deployed it has no part in it any more: his tokens for it end.
 * Throws `not_found`, `conflict`, `name_taken`.
 */
export async function claimByLink(jack: Jack, to: Account, secret: string): Promise<Project> {
  const project = await projectOfLink(jack, secret)
  if (project.accountId === to.accountId)
    throw new JackError('conflict', `${project.name} is a project of this account already.`)
  return moveProject(jack, project, to, {
    endTokens: true,
    mayGo: async (db, now) => (await claimLinks.find(db, secret, jack.now())) === now.projectId,
  })
}
