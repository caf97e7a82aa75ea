import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { expiryOf, type Project } from '../Project.ts'
import type { Account } from '../store/accounts.ts'
import { type Db, isDuplicate } from '../store/database.ts'
import * as projects from '../store/projects.ts'
import * as tokens from '../store/tokens.ts'
import * as trusts from '../store/trusts.ts'
import { changeProject } from './change-project.ts'
import { mostProjects } from './create-project.ts'
import { resumeProjects } from './resume-projects.ts'

/**
 * Moves a project to another account, all of it or nothing. Its URL stays, also while requests are under way; it lives as
 * long as it is used, whatever paid for it. Its processes are replaced: one that runs on would reach the services of the
 * account that it left. Throws `name_taken`, `conflict`, and `not_found` when `mayGo` says no.
 *
 * @param it.mayGo looks again when nobody can change the project any more
 * @param it.endTokens ends the tokens and trusts that are confined to it; otherwise they go along
 */
export async function moveProject(
  jack: Jack,
  project: Project,
  to: Pick<Account, 'accountId' | 'slug'>,
  it: { mayGo(db: Db, now: Project): Promise<boolean>; endTokens: boolean },
): Promise<Project> {
  const { projectId, name } = project
  if ((await projects.count(jack.db, to.accountId)) >= mostProjects)
    throw new JackError('conflict', `An account can have ${mostProjects} projects.`)
  await jack.recorder.flush()
  const now = jack.now()
  const { accountId } = to
  try {
    const moved = await changeProject(jack, project.label, async (db) => {
      const id = jack.newId('run')
      const found = await projects.lockForMove(db, projectId)
      if (!found || !(await it.mayGo(db, found)))
        throw new JackError('not_found', `${name} is not there to be claimed any more.`)
      await projects.move(db, projectId, { accountId, id, now })
      await tokens.moveConfined(db, projectId, { accountId, end: it.endTokens, now })
      await trusts.moveConfined(db, projectId, { accountId, end: it.endTokens })
      await projects.unexpire(db, projectId)
      return projects.change(db, projectId, {
        envRevision: jack.newId('env'),
        ttlHours: null,
        expiresAt: expiryOf(null, jack.config.inactiveDays, now),
        activeAt: now,
      })
    })
    jack.log.info({ projectId, from: project.accountId, to: accountId }, 'project moved')
    await resumeProjects(jack, { projectId })
    return moved
  } catch (error) {
    if (!isDuplicate(error)) throw error
    throw new JackError(
      'name_taken',
      `The account "${to.slug}" has a project named ${name} already.`,
      {
        hint: `Delete that one first, or deploy this one under another name.`,
      },
    )
  }
}
