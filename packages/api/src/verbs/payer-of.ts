import type { Jack } from '../jack.ts'
import { type Payer, walletPayer } from '../Payer.ts'
import type { Presented } from '../payments/Payments.ts'
import { paymentProblem } from '../payments/problems.ts'
import * as sessions from '../store/sessions.ts'

/** The account of a wallet that proved itself, and how it pays. A proof counts once. */
export async function payerOf(jack: Jack, it: Presented): Promise<Payer> {
  switch (it.kind) {
    case 'proof': {
      if (!(await sessions.useChallenge(jack.db, it.challengeId, it.expiresAt)))
        throw paymentProblem('invalid-challenge', 'This proof was used before.')
      return walletPayer(await jack.wallets.accountOf(it.payer), { kind: 'balance' })
    }
    case 'voucher':
      return walletPayer(await jack.wallets.accountOf(it.session.payer), {
        kind: 'session',
        voucher: it.voucher,
        opening: null,
        accepted: null,
      })
    case 'open':
      return walletPayer(await jack.wallets.accountOf(it.opening.payer), {
        kind: 'session',
        voucher: it.voucher,
        opening: it.opening,
        accepted: null,
      })
    case 'charge': {
      const { challengeId, scope, payer, amountMicroUsd, txHash, credential } = it
      return walletPayer(await jack.wallets.accountOf(payer), {
        kind: 'charge',
        charge: { challengeId, scope, payer, amountMicroUsd, txHash, credential },
        paidBy: null,
      })
    }
    default:
      throw paymentProblem('verification-failed', 'This credential pays for nothing.', {
        hint: 'A top-up and a close are sent without a body.',
      })
  }
}
