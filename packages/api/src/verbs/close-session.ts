import { sql } from 'kysely'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { CloseReason, Session } from '../Session.ts'
import * as sessions from '../store/sessions.ts'
import { requirePayments } from './require-payments.ts'

/** Closes a session: what was delivered is taken, and everything else goes back to its payer. */
export async function closeSession(
  jack: Jack,
  sessionId: string,
  reason: CloseReason,
): Promise<Session> {
  const { db } = jack
  await db
    .updateTable('session')
    .set({ status: 'closing', close_reason: reason, closing_at: jack.now() })
    .where('session_id', '=', sessionId)
    .where('status', '=', 'open')
    .execute()
  const { rows } = await sql<{ done: boolean }>`
    select session_return(${sessionId}, ${jack.now()}) as done`.execute(db)
  if (!rows[0]?.done)
    throw new JackError('conflict', 'Work is in progress in this session.', {
      retryAfterSeconds: 1,
    })
  const [session] = (await sessions.inStatus(db, ['closing'])).filter(
    (it) => it.sessionId === sessionId,
  )
  if (!session) throw new JackError('not_found', 'There is no such session.')
  const closed = await requirePayments(jack).close(session, session.committedMicroUsd)
  await db
    .updateTable('session')
    .set({
      status: 'closed',
      close_tx: closed.txHash,
      refunded_micro_usd: closed.refundedMicroUsd,
      settled_micro_usd: session.committedMicroUsd,
      closed_at: jack.now(),
    })
    .where('session_id', '=', sessionId)
    .execute()
  return (await sessions.findByChannel(db, session.channelId)) as Session
}
