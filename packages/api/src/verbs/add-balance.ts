import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import { grant } from '../store/ledger.ts'
import * as projects from '../store/projects.ts'
import { resumeProjects } from './resume-projects.ts'

/**
 * Adds test money to the account of a local cloud, and resumes what waited for it: answers the names of these projects.
 * Throws `forbidden` on any other cloud.
 *
 * @param id of this step: the same one adds once
 */
export async function addBalance(
  jack: Jack,
  { accountId }: Payer,
  { id, amountMicroUsd }: { id: string; amountMicroUsd: bigint },
): Promise<string[]> {
  if (!jack.config.local) {
    throw new JackError('forbidden', 'Only a local cloud gives test money away.', {
      hint: 'Ask whoever runs this cloud to add to the balance.',
    })
  }
  await grant(jack.db, { id, accountId, amountMicroUsd })
  await projects.touchAll(jack.db, accountId, jack.now())
  return resumeProjects(jack, { accountId })
}
