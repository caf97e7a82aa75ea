import { JackError } from '../JackError.ts'
import { toUsd } from '../wire/Usd.ts'
import { type Channel, given, leftOf, nextVoucher } from './Channel.ts'
import { assertAllowed, type Booking, book, giveBack, type Limits, spend } from './Spending.ts'
import type { WalletState } from './WalletState.ts'

/** What a server asks for, of one session. */
export interface Ask {
  /** Where in `state.channels` its channel is. */
  key: string
  priceMicroUsd: bigint
  /** What the server would like to see in a new session. */
  suggestedDepositMicroUsd?: bigint | undefined
  /** The least by which one voucher must exceed the one before. */
  leastStepMicroUsd?: bigint | undefined
}

export interface Rules {
  limits: Limits
  /** The most that may lie in a session without being signed for. */
  maxDepositMicroUsd?: bigint | undefined
}

export interface Moment {
  now: number
  /** Who asks. */
  holder: string
  /** What this call has cost already. */
  inThisCall: bigint
  /** The server was asked in this call whether it remembers a session. */
  asked: boolean
}

/** What is to be done next to pay. */
export type Step =
  | { do: 'voucher'; channel: Channel; booking: Booking }
  | { do: 'open'; depositMicroUsd: bigint; booking: Booking }
  | { do: 'topUp'; channel: Channel; depositMicroUsd: bigint; leastMicroUsd: bigint }
  /** No session is known here: the server may remember one. */
  | { do: 'ask' }
  /** A session may be open: its opening was sent, and nobody heard how that ended. */
  | { do: 'look'; channel: Channel }
  /** Somebody else is opening the session or adding to it. */
  | { do: 'wait' }

/** How long one may be at work on a channel without a sign of life, in milliseconds. */
export const leaseMs = 10_000

/**
 * Decides how to pay out of a session, and books it: whatever is signed afterwards is within the limits and signed only
 * once. Throws a JackError `spending_limit`, and then nothing has changed.
 */
export function nextStep(
  state: WalletState,
  ask: Ask,
  rules: Rules,
  moment: Moment,
): { state: WalletState; step: Step } {
  const { key, priceMicroUsd } = ask
  const channel = state.channels[key]
  const lease = state.leases[key]
  const busy = lease !== undefined && lease.until > moment.now && lease.holder !== moment.holder
  const spentSoFar = { ...moment, claimable: claimable(state, key) }
  // The limits come first: who may not pay does not wait, open or add either.
  assertAllowed(state.spending, rules.limits, priceMicroUsd, spentSoFar)

  if (!channel?.confirmed) {
    if (busy) return { state, step: { do: 'wait' } }
    const leased = withLease(state, key, moment)
    if (channel) return { state: leased, step: { do: 'look', channel } }
    if (!moment.asked) return { state: leased, step: { do: 'ask' } }
    const depositMicroUsd = depositFor(state, ask, rules, 0n, priceMicroUsd)
    const { spending, booking } = book(state.spending, rules.limits, priceMicroUsd, spentSoFar)
    return { state: { ...leased, spending }, step: { do: 'open', depositMicroUsd, booking } }
  }

  const next = nextVoucher(channel, priceMicroUsd, ask.leastStepMicroUsd)
  if (next.signedMicroUsd > channel.depositMicroUsd) {
    if (busy) return { state, step: { do: 'wait' } }
    const missing = next.signedMicroUsd - channel.depositMicroUsd
    const depositMicroUsd = depositFor(state, ask, rules, leftOf(channel), missing)
    return {
      state: withLease(state, key, moment),
      step: { do: 'topUp', channel, depositMicroUsd, leastMicroUsd: missing },
    }
  }
  const { spending, booking } = book(state.spending, rules.limits, priceMicroUsd, spentSoFar)
  const channels = { ...state.channels, [key]: next }
  return {
    state: { ...state, channels, spending },
    step: { do: 'voucher', channel: next, booking },
  }
}

/** Books a payment that has nothing to do with a session. Throws a JackError `spending_limit`. */
export function bookCharge(
  state: WalletState,
  priceMicroUsd: bigint,
  { limits }: Rules,
  moment: Pick<Moment, 'now' | 'inThisCall'>,
): { state: WalletState; booking: Booking } {
  const spentSoFar = { ...moment, claimable: claimable(state) }
  const { spending, booking } = book(state.spending, limits, priceMicroUsd, spentSoFar)
  return { state: { ...state, spending }, booking }
}

/**
 * What servers gave back and could still take, in sessions other than that of `key`, where it pays for what comes next.
 * With this, limits hold against a server that lies.
 */
const claimable = ({ channels }: WalletState, key?: string): bigint =>
  Object.entries(channels).reduce(
    (sum, [name, it]) => (name === key ? sum : sum + it.freeMicroUsd),
    0n,
  )

/** What to put into a session that still holds `left`: what the server would like, as far as the rules allow. */
function depositFor(
  state: WalletState,
  { suggestedDepositMicroUsd = 0n }: Ask,
  { limits, maxDepositMicroUsd }: Rules,
  left: bigint,
  needed: bigint,
): bigint {
  if (maxDepositMicroUsd !== undefined && left + needed > maxDepositMicroUsd) {
    throw new JackError(
      'spending_limit',
      `This needs $${toUsd(left + needed)} in the session, and at most $${toUsd(maxDepositMicroUsd)} may lie there.`,
      {
        hint: 'Nothing was signed or paid. Raise `maxDepositUsd`.',
        fields: {
          limit: 'maxDepositUsd',
          limit_usd: toUsd(maxDepositMicroUsd),
          needed_usd: toUsd(left + needed),
        },
      },
    )
  }
  // What could never be spent has no business in a session.
  const spendable = limits.totalMicroUsd && limits.totalMicroUsd - state.spending.totalMicroUsd
  const suggestedAtMost = maxDepositMicroUsd ?? suggestedAtMostMicroUsd
  const most = smaller(suggestedAtMost, spendable ?? suggestedAtMost) - left
  return larger(needed, smaller(suggestedDepositMicroUsd, most))
}

/** What a server may suggest to put into a session, when nobody said more about it. */
const suggestedAtMostMicroUsd = 10_000_000n

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)

const withLease = (
  state: WalletState,
  key: string,
  { holder, now }: Pick<Moment, 'holder' | 'now'>,
): WalletState => ({
  ...state,
  leases: { ...state.leases, [key]: { holder, until: now + leaseMs } },
})

/** Goes on holding what this holder holds. */
export const renewed = (
  state: WalletState,
  key: string,
  moment: Pick<Moment, 'holder' | 'now'>,
): WalletState =>
  state.leases[key]?.holder === moment.holder ? withLease(state, key, moment) : state

/** Lets others go on. */
export function released(state: WalletState, key: string, holder: string): WalletState {
  if (state.leases[key]?.holder !== holder) return state
  const { [key]: _, ...leases } = state.leases
  return { ...state, leases }
}

/** Keeps a channel, also one that nobody is sure of yet. */
export const withChannel = (state: WalletState, key: string, channel: Channel): WalletState => ({
  ...state,
  channels: { ...state.channels, [key]: channel },
})

/** Changes a channel, if it is still the one that is kept. */
export function changed(
  state: WalletState,
  key: string,
  id: string,
  change: (channel: Channel) => Channel,
): WalletState {
  const channel = state.channels[key]
  return channel?.id === id ? withChannel(state, key, change(channel)) : state
}

/** Counts what a server gave back as spent after all. */
export function writtenOff(state: WalletState, key: string, id: string, now: number): WalletState {
  const channel = state.channels[key]
  if (channel?.id !== id) return state
  return {
    ...withChannel(state, key, { ...channel, freeMicroUsd: 0n }),
    spending: spend(state.spending, now, channel.freeMicroUsd),
  }
}

/** Forgets a channel, if it is still the one that is kept. Its vouchers are worth something unless it is closed. */
export function without(
  state: WalletState,
  key: string,
  id: string,
  { closed, now }: { closed: boolean; now: number },
): WalletState {
  if (state.channels[key]?.id !== id) return state
  const settled = closed ? state : writtenOff(state, key, id, now)
  const { [key]: _, ...channels } = settled.channels
  return { ...settled, channels }
}

/**
 * Counts part of a booking as not spent. What was signed for it in a session pays for the next request; in a session that
 * is not kept any more it could still be taken, and stays spent.
 */
export function givenBack(
  state: WalletState,
  booking: Booking,
  microUsd: bigint,
  session?: { key: string; id: string },
): WalletState {
  if (session && state.channels[session.key]?.id !== session.id) return state
  const paidBack = { ...state, spending: giveBack(state.spending, booking, microUsd) }
  if (!session) return paidBack
  return changed(paidBack, session.key, session.id, (it) => given(it, microUsd))
}
