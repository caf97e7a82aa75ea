import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import type { Db } from '../store/database.ts'
import { projectChanged } from '../store/notices.ts'
import * as projects from '../store/projects.ts'

/**
 * A transaction that changes what a project's host leads to. Gateways forget what they knew: the one here before this
 * resolves, those of other replicas as soon as they hear of it.
 */
export async function changeProject<T>(
  jack: Jack,
  label: string,
  work: (db: Db) => Promise<T>,
): Promise<T> {
  const result = await jack.db.transaction().execute(async (db) => {
    const changed = await work(db)
    await projectChanged(db, label)
    return changed
  })
  jack.routes.forget(label)
  jack.payers.forget()
  return result
}

/**
 * The same for its owner, as it was found for him: nobody else changes it until the end. Throws `not_found` when it was
 * deleted, or changed hands, since.
 */
export function changeOwn<T>(
  jack: Jack,
  { projectId, accountId, label, name }: Project,
  work: (db: Db, now: Project) => Promise<T>,
): Promise<T> {
  return changeProject(jack, label, async (db) => {
    const now = await projects.lock(db, projectId)
    if (now?.accountId === accountId) return work(db, now)
    throw new JackError('not_found', `The project ${name} was deleted or claimed meanwhile.`)
  })
}
