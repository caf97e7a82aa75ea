import type { Jack } from '../jack.ts'
import { chargeDue } from '../store/runtime.ts'
import { resumeProjects } from './resume-projects.ts'

/** How often runtime is charged: a project has one entry in the ledger for so long, at most. */
export const chargeEveryMs = 10_000

/**
 * Charges what was used and is pending, and lets projects go on whose day is over, or whose account has money that
 * nobody told of. Nothing depends on when it happens: a balance is used up when nothing is left but what is pending.
 */
export async function settleRuntime(jack: Jack): Promise<void> {
  const now = jack.now()
  const before = new Date(now.getTime() - chargeEveryMs / 2)
  while ((await chargeDue(jack.db, jack.newId('run'), { now, before })) === 1_000);
  await resumeProjects(jack)
}
