import type { Jack } from '../jack.ts'
import { expiryOf, type Project } from '../Project.ts'
import * as projects from '../store/projects.ts'
import { changeOwn } from './change-project.ts'

/**
 * Gives a project its whole time again, also one that has expired and is still kept. What suspended a project is none
 * of this business: it stays suspended. Throws `not_found` when it was deleted meanwhile.
 *
 * @param ttlHours a new time to live; null for none of its own
 */
export async function renew(
  jack: Jack,
  project: Project,
  ttlHours: number | null = project.ttlHours,
): Promise<Project> {
  const now = jack.now()
  return changeOwn(jack, project, async (db) => {
    await projects.unexpire(db, project.projectId)
    return projects.change(db, project.projectId, {
      ttlHours,
      expiresAt: expiryOf(ttlHours, jack.config.inactiveDays, now),
      activeAt: now,
    })
  })
}
