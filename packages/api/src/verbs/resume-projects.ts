import type { Jack } from '../jack.ts'
import * as suspensions from '../store/suspensions.ts'

/**
 * Resumes what waited for a balance that there is now, or for a budget that is not used up any more. Whoever adds money
 * calls it for the account. Answers the names of the projects.
 */
export async function resumeProjects(
  jack: Jack,
  of: { projectId?: string; accountId?: string } = {},
): Promise<string[]> {
  const resumed = await suspensions.resume(jack.db, jack.now(), of)
  for (const { projectId, label } of resumed) {
    jack.routes.forget(label)
    jack.log.info({ projectId }, 'project resumed')
  }
  return resumed.map((it) => it.name)
}
