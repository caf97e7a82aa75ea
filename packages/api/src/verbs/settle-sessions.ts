import { toUsd } from '@jackcloud/sdk/wire'
import type { Jack } from '../jack.ts'
import { isOn } from '../Session.ts'
import * as closings from '../store/closings.ts'

/**
 * Takes on chain what was spent of sessions, where much is, so that little can get lost. A voucher is taken as a whole:
 * only one that does not exceed what is spent is ever used, never the highest that was signed.
 */
export async function settleSessions(jack: Jack): Promise<void> {
  const { payments } = jack
  if (!payments) return
  const due = await closings.worthSettling(jack.db, jack.config.settleAboveMicroUsd)
  for (const { session, voucher } of due.filter(({ session }) => isOn(payments.chain)(session))) {
    const { sessionId, channelId, depositMicroUsd } = session
    const { cumulativeMicroUsd: settledMicroUsd } = voucher
    try {
      const txHash = await payments.settle(session, voucher)
      await closings.seen(jack.db, channelId, { depositMicroUsd, settledMicroUsd })
      jack.log.info({ sessionId, txHash, settledUsd: toUsd(settledMicroUsd) }, 'session settled')
    } catch (err) {
      jack.log.error({ err, sessionId }, 'a session could not be settled yet')
    }
  }
}
