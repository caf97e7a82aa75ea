import { JackError } from '../Errors.ts'
import { projectLabel } from '../Host.ts'
import type { Jack } from '../jack.ts'
import { type Payer, requireProject } from '../Payer.ts'
import { expiryOf, type Project } from '../Project.ts'
import * as projects from '../store/projects.ts'

/** Most projects of one account. */
export const mostProjects = 1_000

/** Adds an empty project. Throws `name_taken`. */
export async function createProject(
  jack: Jack,
  payer: Payer,
  it: {
    name: string
    budgetMicroUsd: bigint | null
    dailyBudgetMicroUsd: bigint | null
    ttlHours: number | null
  },
): Promise<Project> {
  requireProject(payer, null)
  if ((await projects.count(jack.db, payer.accountId)) >= mostProjects) {
    throw new JackError('conflict', `An account can have ${mostProjects} projects.`, {
      hint: 'Delete one that is not needed any more.',
    })
  }
  return projects.add(jack.db, {
    projectId: jack.newId('prj'),
    accountId: payer.accountId,
    name: it.name,
    label: projectLabel(payer.slug, it.name),
    budgetMicroUsd: it.budgetMicroUsd,
    dailyBudgetMicroUsd: it.dailyBudgetMicroUsd,
    ttlHours: it.ttlHours,
    expiresAt: expiryOf(it.ttlHours, jack.config.inactiveDays, jack.now()),
  })
}
