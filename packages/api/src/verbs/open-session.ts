import type { Jack } from '../jack.ts'
import type { Funding, Payer } from '../Payer.ts'
import type { Hex } from '../Session.ts'
import * as sessions from '../store/sessions.ts'
import { requirePayments } from './require-payments.ts'

/**
 * Opens the channel that a voucher is of, on chain, and keeps it as a session. It is written down first, so that a
 * channel that was opened while we died is found again. Answers the transaction; null for one that was open.
 */
export async function openSession(
  jack: Jack,
  { accountId }: Pick<Payer, 'accountId'>,
  { voucher, opening }: Pick<Extract<Funding, { kind: 'session' }>, 'voucher' | 'opening'>,
): Promise<Hex | null> {
  if (!opening) return null
  const sessionId = jack.newId('ses')
  const known = await sessions.begin(
    jack.db,
    {
      ...opening,
      sessionId,
      accountId,
      authorizedMicroUsd: voucher.cumulativeMicroUsd,
      signature: voucher.signature,
    },
    jack.now(),
  )
  if (known.status !== 'opening') return null
  try {
    const { txHash, depositMicroUsd } = await requirePayments(jack).open(opening)
    await sessions.opened(jack.db, opening.channelId, { depositMicroUsd, openTx: txHash })
    return txHash
  } catch (error) {
    // Only what was surely not opened is forgotten, by whoever began; the rest is looked up on chain later.
    if ((error as { status?: number }).status === 402) await sessions.forget(jack.db, sessionId)
    throw error
  }
}
