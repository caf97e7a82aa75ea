import type { ChannelState } from '../Channel.ts'
import type { Jack } from '../jack.ts'
import type { Payments } from '../payments/Payments.ts'
import { isOn, type Session } from '../Session.ts'
import * as closings from '../store/closings.ts'
import * as sessions from '../store/sessions.ts'
import { finishClosings } from './close-session.ts'

const minute = 60_000
const day = 24 * 60 * minute

/**
 * Looks what payers did with their channels behind our back, and closes what is to be closed: the sessions of payers who
 * asked the chain for their money (they can take it 15 minutes later), those that nobody uses, and those whose closing
 * was cut off.
 */
export async function watchSessions(jack: Jack): Promise<void> {
  const { payments } = jack
  if (!payments) return
  const all = await sessions.inStatus(jack.db, ['opening', 'open'])
  const watched = all.filter(isOn(payments.chain))
  const states = await payments.channels(watched.map((it) => it.channelId))
  for (const [i, session] of watched.entries()) {
    const state = states[i] as ChannelState
    if (session.status === 'opening') await lookAtOpening(jack, session, state)
    else await lookAtOpen(jack, payments, session, state)
  }
  await freezeIdle(jack)
  await finishClosings(jack)
}

/** Whoever opened it may have died before he could say so. Its transaction is valid for less than a minute. */
async function lookAtOpening(
  jack: Jack,
  { sessionId, channelId, openedAt }: Session,
  { depositMicroUsd }: ChannelState,
): Promise<void> {
  if (depositMicroUsd > 0n)
    await sessions.opened(jack.db, channelId, { depositMicroUsd, openTx: null })
  else if (age(jack, openedAt) >= 2 * minute) await sessions.forget(jack.db, sessionId)
}

async function lookAtOpen(
  jack: Jack,
  payments: Payments,
  session: Session,
  state: ChannelState,
): Promise<void> {
  if (state.depositMicroUsd === 0n) return lookAtGone(jack, payments, session)
  const isNew =
    state.depositMicroUsd > session.depositMicroUsd ||
    state.settledMicroUsd > session.settledMicroUsd
  if (isNew) await closings.seen(jack.db, session.channelId, state)
  if (state.closeRequestedAt)
    await freeze(jack, session, 'a payer asked the chain to close his channel')
}

/** Only when the chain says how it ended: a node that is behind does not know channels that were just opened. */
async function lookAtGone(jack: Jack, payments: Payments, session: Session): Promise<void> {
  if (await payments.closing(session))
    await freeze(jack, session, 'a channel was closed behind our back')
  else if (age(jack, session.openedAt) > 10 * minute)
    await freeze(jack, session, 'the chain does not know a channel, nor how it ended')
}

async function freeze(jack: Jack, { sessionId }: Session, why: string): Promise<void> {
  await closings.freeze(jack.db, sessionId, 'requested_on_chain', jack.now())
  jack.log.warn({ sessionId }, why)
}

async function freezeIdle(jack: Jack): Promise<void> {
  const { sessionIdleDays } = jack.config
  if (sessionIdleDays === 0) return
  const since = new Date(jack.now().getTime() - sessionIdleDays * day)
  for (const sessionId of await closings.idleSince(jack.db, since)) {
    if (await closings.freeze(jack.db, sessionId, 'idle', jack.now()))
      jack.log.info({ sessionId }, 'an idle session is closed')
  }
}

const age = (jack: Jack, since: Date): number => jack.now().getTime() - since.getTime()
