import type { Jack } from '../jack.ts'
import { sessionProblem } from '../payments/problems.ts'
import type { Voucher } from '../Session.ts'
import * as closings from '../store/closings.ts'
import { SessionRefused } from '../store/sessions.ts'
import { requirePayments } from './require-payments.ts'

/**
 * Takes a voucher as `take` does, and says in the protocol's words why its session does not pay. What exceeds the deposit
 * that we know of is looked up on chain: more may have been deposited, and nobody have lived to note it.
 */
export async function takeVoucher<T>(
  jack: Jack,
  voucher: Voucher,
  take: (voucher: Voucher) => Promise<T>,
): Promise<T> {
  try {
    return await take(voucher)
  } catch (error) {
    if (!(await hasMore(jack, voucher, error))) throw sessionProblem(error)
  }
  try {
    return await take(voucher)
  } catch (error) {
    throw sessionProblem(error)
  }
}

async function hasMore(jack: Jack, { channelId }: Voucher, error: unknown): Promise<boolean> {
  if (!(error instanceof SessionRefused && error.refusal === 'over_deposit')) return false
  const [state] = await requirePayments(jack).channels([channelId])
  if (!state || state.depositMicroUsd <= (error.session?.depositMicroUsd ?? 0n)) return false
  await closings.seen(jack.db, channelId, state)
  return true
}
