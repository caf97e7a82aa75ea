import type { Charge } from '../Charge.ts'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { ChargeKind } from '../Ledger.ts'
import { type Payer, spendingToken } from '../Payer.ts'
import { ChargeFailed, type Payments } from '../payments/Payments.ts'
import { paymentProblem } from '../payments/problems.ts'
import type { Voucher } from '../Session.ts'
import * as charges from '../store/charges.ts'
import type { Db } from '../store/database.ts'
import * as ledger from '../store/ledger.ts'
import * as sessions from '../store/sessions.ts'
import { lookUpCharge } from './look-up-charge.ts'
import { openSession } from './open-session.ts'
import { requirePayments } from './require-payments.ts'
import { takeVoucher } from './take-voucher.ts'

export interface Work {
  /** Of the reservation; the same one takes once. */
  id: string
  amountMicroUsd: bigint
  kind: ChargeKind
  ref: string
  projectId?: string
  /** It may be paid already, by whatever paid for the last try. */
  repeated?: boolean
}

/**
 * Sets aside what work costs, whatever pays for it. A charge is only checked and taken for this work: it is sent by
 * `collect`.
 *
 * Throws `insufficient_balance`, `budget_exceeded`, or a payment problem; then nothing was paid.
 *
 * @param db for a balance; vouchers are always written durably
 */
export async function reserve(
  jack: Jack,
  payer: Payer,
  work: Work,
  db: Db = jack.db,
): Promise<void> {
  const { funding, accountId } = payer
  switch (funding.kind) {
    case 'balance': {
      const spending = { ...work, accountId, token: spendingToken(payer) }
      funding.leftMicroUsd = (await ledger.reserve(db, spending)).availableMicroUsd
      return
    }
    case 'session': {
      const openTx = funding.opening && (await openSession(jack, payer, funding))
      const { voucher } = funding
      const isPaid =
        work.repeated && (await sessions.paidElsewhere(jack.db, voucher.channelId, work.id))
      // It is accepted anyway, so that both sides count on from the same.
      const pay = (by: Voucher) => jack.vouchers.pay(by, isPaid ? null : work)
      funding.accepted = { ...(await takeVoucher(jack, voucher, pay)), openTx }
      return
    }
    case 'charge':
      await takeCharge(jack, funding.charge, {
        workId: work.id,
        accountId,
        creditAccountId: accountId,
        key: funding.key,
      })
  }
}

/** Takes a charge that the chain would take for work. Throws when other work has it, and when it can not be paid. */
export async function takeCharge(
  jack: Jack,
  charge: Charge,
  it: Parameters<typeof charges.take>[2],
): Promise<void> {
  // What was sent before is no longer to be judged.
  const before = await charges.stateOf(jack.db, charge.challengeId)
  if (before === undefined || before === 'authorized')
    await requirePayments(jack).validateCharge(charge)
  const state = await charges.take(jack.db, charge, it, jack.now())
  if (state === null) throw chargeUsed()
  if (state === 'failed') throw chargeFailed()
}

const chargeUsed = () =>
  new JackError('conflict', 'This payment was used for another request.', {
    hint: 'Ask again without it, and pay the challenge that comes.',
  })

/**
 * Makes sure that what was set aside is there to be captured: sends a charge, and waits until the chain has it. For
 * everything else it is there already. Throws a payment problem when the charge is not paid, and `unavailable` when
 * nobody knows.
 */
export async function collect(jack: Jack, payer: Payer, work: Work): Promise<void> {
  const { funding, accountId } = payer
  if (funding.kind !== 'charge') return
  funding.paidBy = await collectCharge(jack, funding.charge, work.id, {
    accountId,
    also: (db) => ledger.reserve(db, { ...work, accountId }),
  })
}

/** Sends a charge for work that took it, and adds it to a balance. Once, however often it is asked for. */
export async function collectCharge(
  jack: Jack,
  charge: Charge,
  workId: string,
  credit: { accountId: string; projectId?: string; also?(db: Db): Promise<unknown> },
): Promise<`0x${string}`> {
  const payments = requirePayments(jack)
  const { challengeId } = charge
  const sending = await charges.beginSending(jack.db, challengeId, workId)
  if (sending === null) throw chargeUsed()
  const txHash =
    sending === 'begun'
      ? await send(jack, payments, charge)
      : await sendAgain(jack, payments, charge)
  await jack.db.transaction().execute(async (db) => {
    await charges.settled(db, challengeId, 'paid', jack.now(), txHash)
    await creditCharge(db, {
      challengeId,
      txHash,
      amountMicroUsd: charge.amountMicroUsd,
      ...credit,
    })
    await credit.also?.(db)
  })
  return txHash
}

/** What a charge paid comes into a balance, once. */
export async function creditCharge(
  db: Db,
  it: {
    challengeId: string
    txHash: string
    amountMicroUsd: bigint
    accountId: string
    projectId?: string
  },
): Promise<void> {
  await ledger.grant(db, {
    id: `charge:${it.challengeId}`,
    accountId: it.accountId,
    amountMicroUsd: it.amountMicroUsd,
    kind: 'fund',
    ref: it.txHash,
    projectId: it.projectId ?? null,
  })
}

async function send(jack: Jack, payments: Payments, charge: Charge) {
  try {
    return await payments.sendCharge(charge)
  } catch (error) {
    if (!(error instanceof ChargeFailed)) throw error
    await charges.notSent(jack.db, charge.challengeId)
    throw chargeFailed(error)
  }
}

/** It was sent before, or was about to be. The chain takes it once, however often it is sent. */
async function sendAgain(jack: Jack, payments: Payments, charge: Charge) {
  const found = await lookUpCharge(jack, charge)
  if (found === 'failed') throw chargeFailed()
  if (found) return found
  try {
    return await payments.sendCharge(charge)
  } catch (cause) {
    throw chargeUnderWay(cause)
  }
}

const chargeFailed = (cause?: unknown) =>
  paymentProblem(
    'verification-failed',
    'The charge was not paid: the chain did not take the transaction.',
    {
      hint: 'See whether the wallet has enough of the token for the price and the fee, and pay the new challenge.',
      cause,
    },
  )

const chargeUnderWay = (cause: unknown) =>
  new JackError('unavailable', 'This payment is under way, and nobody knows yet how it ends.', {
    hint: 'Send the same request again: it is not paid twice.',
    retryAfterSeconds: 2,
    cause,
  })

/**
 * Gives back what was set aside, unless it was captured. A charge that was not sent yet never will be for this work, and
 * one that was is in the balance; either may pay for the next try.
 */
export async function release(jack: Jack, payer: Payer, id: string): Promise<void> {
  if (payer.funding.kind === 'charge') await releaseLost(jack, id)
  else await ledger.release(jack.db, id)
}

/** The same for work that was cut off, and may have set nothing aside, by whatever paid for it. True when it is paid. */
export async function releaseLost(jack: Jack, id: string): Promise<boolean> {
  const paid = await ledger.settleLost(jack.db, id)
  if (!paid) await charges.leave(jack.db, id)
  return paid
}
