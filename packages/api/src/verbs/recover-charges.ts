import type { Jack } from '../jack.ts'
import * as charges from '../store/charges.ts'
import { creditCharge } from './hold.ts'
import { lookUpCharge } from './look-up-charge.ts'
import { resumeProjects } from './resume-projects.ts'

/**
 * Finds out what became of charges whose end nobody saw: what the chain has is added to the balance that it was for, and
 * what it can not have any more has failed.
 */
export async function recoverCharges(jack: Jack): Promise<void> {
  if (!jack.payments) return
  const now = jack.now()
  for (const it of await charges.unsettled(jack.db, new Date(now.getTime() - seenAfterMs))) {
    try {
      await recover(jack, it)
    } catch (err) {
      jack.log.error({ err, challengeId: it.challengeId }, 'a charge could not be looked up yet')
    }
  }
}

async function recover(jack: Jack, it: charges.KnownCharge): Promise<void> {
  const now = jack.now()
  const txHash = await lookUpCharge(jack, it)
  if (txHash === 'failed') return
  if (txHash) {
    await jack.db.transaction().execute(async (db) => {
      if (!(await charges.settled(db, it.challengeId, 'paid', now, txHash))) return
      await creditCharge(db, { ...it, txHash, accountId: it.creditAccountId })
    })
    await resumeProjects(jack, { accountId: it.creditAccountId })
    jack.log.warn({ challengeId: it.challengeId, txHash }, 'a charge was found on chain')
  } else if (now.getTime() - it.createdAt.getTime() > hopelessAfterMs) {
    await charges.settled(jack.db, it.challengeId, 'failed', now)
  }
}

/** Whoever sends a charge now may still be waiting for it. */
const seenAfterMs = 60_000
/** A challenge is good for five minutes, and a transaction of most clients for less. */
const hopelessAfterMs = 600_000
