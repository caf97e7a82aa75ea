import type { IncomingMessage } from 'node:http'
import { prices } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import { isSession, requireMatch } from '../payments/match.ts'
import type { Offer, Presented } from '../payments/Payments.ts'
import { isPayable, sessionProblem } from '../payments/problems.ts'
import { fund } from '../verbs/fund.ts'
import { type Management, manageSession } from '../verbs/manage-session.ts'
import { payerOf } from '../verbs/payer-of.ts'
import type { Found } from './routes.ts'

/** What became of a request on the URL of an app that waits for money. */
export type FundedHere =
  | { paid: true; receipt: string }
  /** A client changed its session, and wants nothing of the app. */
  | { managed: true; receipt: string }
  | { refused: JackError | null; challenges: string[] }

/** Whether a request may bring the money that an app waits for. */
export const waitsForMoney = (found: Found): found is NonNullable<Found> =>
  found?.project.suspension?.code === 'balance'

/**
 * Lets whoever asks a suspended app pay for it: what he pays goes into the balance of the app's account, and the app goes
 * on. Without a payment there are challenges to answer.
 */
export async function fundHere(
  jack: Jack,
  req: IncomingMessage,
  project: Project,
  address: string,
): Promise<FundedHere> {
  const { payments } = jack
  if (!payments) return { refused: null, challenges: [] }
  const offer: Offer = {
    scope: `fund ${project.projectId}`,
    realm: (req.headers.host ?? '').split(':')[0] ?? '',
    sessionMicroUsd: prices.resume,
    chargeMicroUsd: prices.resume,
  }
  const header = req.headers.authorization
  try {
    if (!header || !/^payment\s/i.test(header))
      return { refused: null, challenges: payments.challenges(offer) }
    await jack.forgeries.require(address)
    const presented = await payments.read(header)
    if (isManagement(req, presented)) {
      const session = await manageSession(jack, presented)
      return {
        managed: true,
        receipt: payments.receipt({ challengeId: presented.challengeId, session }),
      }
    }
    requireMatch(presented, offer)
    const payer = await payerOf(jack, presented)
    await fund(jack, payer, {
      id: `add:${presented.challengeId}`,
      amountMicroUsd: prices.resume,
      accountId: project.accountId,
      projectId: project.projectId,
    })
    const { funding } = payer
    return {
      paid: true,
      receipt: payments.receipt({
        challengeId: presented.challengeId,
        ...(funding.kind === 'session' &&
          funding.accepted && {
            session: { ...funding.accepted, channelId: funding.voucher.channelId },
          }),
        ...(funding.kind === 'charge' && funding.paidBy && { txHash: funding.paidBy }),
      }),
    }
  } catch (error) {
    const known = sessionProblem(error)
    if (!(known instanceof JackError)) throw known
    await jack.forgeries.note(address, known)
    return { refused: known, challenges: isPayable(known) ? payments.challenges(offer) : [] }
  }
}

const isManagement = (req: IncomingMessage, presented: Presented): presented is Management =>
  isSession(presented) &&
  (presented.kind === 'top-up' || presented.kind === 'close') &&
  req.method === 'POST'
