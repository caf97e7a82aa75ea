import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import type { Voucher } from '../Session.ts'
import { grant } from '../store/ledger.ts'
import * as projects from '../store/projects.ts'
import * as sessions from '../store/sessions.ts'
import { collectCharge, release, takeCharge } from './hold.ts'
import { openSession } from './open-session.ts'
import { resumeProjects } from './resume-projects.ts'
import { takeVoucher } from './take-voucher.ts'

export interface Funding {
  /** Of this step: the same one adds once. */
  id: string
  amountMicroUsd: bigint
  /** Whose balance gets it. */
  accountId: string
  /** What it was meant for. */
  projectId: string | null
  /** It may be added already. */
  repeated?: boolean
}

/**
 * Adds to a balance, and resumes what waited for it: answers the names of these projects. From a session it is an
 * authorization, of which the unused part goes back when the session closes; from a charge it stays. A token adds only
 * on a local cloud, which gives test money away.
 */
export async function fund(jack: Jack, payer: Payer, it: Funding): Promise<string[]> {
  const { funding } = payer
  switch (funding.kind) {
    case 'balance':
      requireTestMoney(jack)
      await grant(jack.db, it)
      break
    case 'session': {
      const openTx = await openSession(jack, payer, funding)
      const { voucher } = funding
      const isAdded =
        it.repeated && (await sessions.paidElsewhere(jack.db, voucher.channelId, it.id))
      const add = (by: Voucher) =>
        isAdded ? jack.vouchers.pay(by, null) : sessions.fund(jack.db, by, it)
      funding.accepted = { ...(await takeVoucher(jack, voucher, add)), openTx }
      break
    }
    case 'charge': {
      const taken = {
        workId: it.id,
        accountId: payer.accountId,
        creditAccountId: it.accountId,
        key: funding.key,
      }
      await takeCharge(jack, funding.charge, taken)
      const credit = { accountId: it.accountId, ...(it.projectId && { projectId: it.projectId }) }
      try {
        funding.paidBy = await collectCharge(jack, funding.charge, it.id, credit)
      } catch (error) {
        await release(jack, payer, it.id)
        throw error
      }
    }
  }
  await projects.touchAll(jack.db, it.accountId, jack.now())
  return resumeProjects(jack, { accountId: it.accountId })
}

function requireTestMoney(jack: Jack): void {
  if (jack.config.local) return
  throw new JackError('payment_required', 'A token adds nothing to a balance: a wallet does.', {
    hint: 'Pay with a wallet. For the balance of this account, name one of its projects.',
    next: [{ command: 'jack wallet create', when: 'if you have none' }],
  })
}
