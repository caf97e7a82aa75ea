import { toUsd } from '@jackcloud/sdk/wire'
import type { Jack } from '../jack.ts'
import { type CloseReason, isOn, type Session } from '../Session.ts'
import * as closings from '../store/closings.ts'
import * as sessions from '../store/sessions.ts'
import { requirePayments } from './require-payments.ts'

/** How long whoever closes a session waits for what is held of it. */
const patienceMs = 15_000

/** How many channels are closed at once. */
const atOnce = 8

/**
 * Closes a session: it takes no more vouchers, work in progress ends, what its grants paid for is charged and the rest
 * of them comes back, and then the chain captures exactly what is committed and refunds everything else.
 *
 * Answers the session as it is after at most 15 seconds and the chain's own time. While it is `closing` then, the cloud
 * goes on by itself. Whoever closes it again joins.
 */
export async function closeSession(
  jack: Jack,
  sessionId: string,
  reason: CloseReason,
): Promise<Session> {
  requirePayments(jack)
  await closings.freeze(jack.db, sessionId, reason, jack.now())
  await finish(jack, sessionId, patienceMs)
  return (await sessions.get(jack.db, sessionId)) as Session
}

/** Goes on with sessions that are closing: whoever began may be gone. */
export async function finishClosings(jack: Jack): Promise<void> {
  const { payments } = jack
  if (!payments) return
  const closing = (await sessions.inStatus(jack.db, ['closing'])).filter(isOn(payments.chain))
  for (let i = 0; i < closing.length; i += atOnce) {
    await Promise.all(closing.slice(i, i + atOnce).map((it) => finish(jack, it.sessionId, 0)))
  }
}

/** Ends a closing session, unless something is held of it for longer than we wait, or the chain does not answer. */
async function finish(jack: Jack, sessionId: string, waitMs: number): Promise<void> {
  const { payments } = jack
  try {
    if (!payments || !(await isWhole(jack, sessionId, waitMs))) return
    const session = await sessions.get(jack.db, sessionId)
    if (session?.status !== 'closing' || !isOn(payments.chain)(session)) return
    const ending = await payments.close(session, session.committedMicroUsd)
    const closed = await closings.closed(jack.db, sessionId, ending, jack.now())
    if (closed) tell(jack, closed)
  } catch (err) {
    jack.log.error({ err, sessionId }, 'a session could not be closed yet')
  }
}

/** Waits until everything that is not spent is back with the session. */
async function isWhole(jack: Jack, sessionId: string, waitMs: number): Promise<boolean> {
  const until = performance.now() + waitMs
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
    const session = await sessions.get(jack.db, sessionId)
    if (session?.status !== 'closing') return false
    jack.captures.flush()
    await jack.recorder.flush()
    if (await closings.giveBack(jack.db, sessionId, { id: jack.newId('run'), now: jack.now() }))
      return true
    if (performance.now() + pauseMs > until || jack.closing.aborted) return false
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

function tell(jack: Jack, it: Session): void {
  const { sessionId, closeTx, closeReason } = it
  const about = { sessionId, closeTx, closeReason, capturedUsd: toUsd(it.settledMicroUsd) }
  const lostMicroUsd = it.committedMicroUsd - it.settledMicroUsd
  if (lostMicroUsd === 0n) jack.log.info(about, 'session closed')
  else
    jack.log.error(
      { ...about, lostUsd: toUsd(lostMicroUsd) },
      'MONEY LOST: a payer took his channel back before what he spent was captured',
    )
}
