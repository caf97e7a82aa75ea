import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import * as charges from '../store/charges.ts'
import { lookUpCharge } from './look-up-charge.ts'

/**
 * When a request is repeated under its key with another charge, the one that was sent for it before pays instead: whoever
 * did not live to hear the answer signs anew, and pays once.
 */
export async function payOnce(
  jack: Jack,
  { accountId, funding }: Payer,
  key: string,
): Promise<void> {
  if (funding.kind !== 'charge') return
  funding.key = key
  const since = new Date(jack.now().getTime() - rememberedMs)
  for (const before of await charges.sentFor(jack.db, accountId, key, funding.charge, since)) {
    if (before.state !== 'paid' && (await lookUpCharge(jack, before)) === 'failed') continue
    funding.charge = before
    return
  }
}

/** Less than answers are kept under their keys: later, a key names something else. */
const rememberedMs = 23 * 3_600_000
