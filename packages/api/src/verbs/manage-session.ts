import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { walletPayer } from '../Payer.ts'
import type { Presented } from '../payments/Payments.ts'
import { paymentProblem, sessionProblem } from '../payments/problems.ts'
import type { Authorization, Hex } from '../Session.ts'
import * as sessions from '../store/sessions.ts'
import { SessionRefused } from '../store/sessions.ts'
import { closeSession } from './close-session.ts'
import { openSession } from './open-session.ts'
import { requirePayments } from './require-payments.ts'
import { takeVoucher } from './take-voucher.ts'

export type Management = Extract<Presented, { kind: 'open' | 'voucher' | 'top-up' | 'close' }>

/**
 * What a client wants of its session without buying anything: open it, authorize more, deposit more, close it.
 * Answers the state of the session after it.
 */
export async function manageSession(
  jack: Jack,
  it: Management,
): Promise<Authorization & { channelId: Hex; txHash: Hex | null }> {
  if (it.kind === 'top-up') {
    const { channelId } = it.session
    const session = await current(jack, channelId)
    if (session.status !== 'open') throw sessionProblem(new SessionRefused('closed', session))
    const { depositMicroUsd } = await requirePayments(jack).topUp({ ...it, session })
    await sessions.toppedUp(jack.db, channelId, depositMicroUsd)
    return { ...session, depositMicroUsd, channelId, txHash: null }
  }
  if (it.kind === 'close') {
    const session = await current(jack, it.session.channelId)
    const { channelId, sessionId, committedMicroUsd, settledMicroUsd } = session
    const { cumulativeMicroUsd } = it.voucher
    // What was settled can be read on chain: it says nothing about who presents it.
    if (cumulativeMicroUsd < committedMicroUsd || cumulativeMicroUsd <= settledMicroUsd)
      throw paymentProblem('verification-failed', 'The voucher is for less than what was spent.', {
        hint: 'Close a session with the highest voucher, or by POST /v1/sessions/{session}/close.',
      })
    const closed = await closeSession(jack, sessionId, 'asked')
    return {
      ...closed,
      // What the client said last: it compares.
      authorizedMicroUsd: it.voucher.cumulativeMicroUsd,
      spentMicroUsd: closed.committedMicroUsd,
      channelId,
      txHash: closed.closeTx,
    }
  }
  const { voucher } = it
  let txHash: Hex | null = null
  if (it.kind === 'open') {
    const account = await jack.wallets.accountOf(it.opening.payer)
    const { opening } = it
    txHash = await openSession(jack, walletPayer(account, { kind: 'balance' }), {
      voucher,
      opening,
    })
  }
  const accepted = await takeVoucher(jack, voucher, (it) => jack.vouchers.pay(it, null))
  return { ...accepted, channelId: voucher.channelId, txHash }
}

async function current(jack: Jack, channelId: Hex) {
  const session = await sessions.authorizationOf(jack.db, channelId)
  if (!session) throw new JackError('not_found', 'There is no such session.')
  return session
}
