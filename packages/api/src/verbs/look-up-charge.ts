import type { Charge } from '../Charge.ts'
import type { Jack } from '../jack.ts'
import type { Hex } from '../Session.ts'
import * as charges from '../store/charges.ts'
import { requirePayments } from './require-payments.ts'

/**
 * What the chain says of a charge that was sent, or may have been: the transaction that paid it, `null` when it may still
 * come to something, `failed` when its time is over without a trace. Then it has failed for good.
 */
export async function lookUpCharge(jack: Jack, charge: Charge): Promise<Hex | 'failed' | null> {
  const payments = requirePayments(jack)
  // First: what is not found after its time never will be.
  const isOver = await payments.isOver(charge)
  const txHash = await payments.findCharge(charge)
  if (txHash || !isOver) return txHash
  await charges.settled(jack.db, charge.challengeId, 'failed', jack.now())
  return 'failed'
}
