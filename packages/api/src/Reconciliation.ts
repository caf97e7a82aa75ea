import { toUsd } from '@jackcloud/sdk/wire'
import type { ChannelState, Income, OpenedChannel } from './Channel.ts'
import type { ChargeState } from './Charge.ts'
import type { Inconsistency } from './Ledger.ts'
import { type Hex, isOn, type SessionState, spentMicroUsd } from './Session.ts'

/** What the database says of money that came from wallets. */
export interface Books {
  contradictions: Inconsistency[]
  sessions: SessionState[]
  charges: BookedCharge[]
}

export interface BookedCharge {
  challengeId: string
  txHash: Hex
  amountMicroUsd: bigint
  state: ChargeState
  /** Whether it came into a balance. */
  isCredited: boolean
  createdAt: Date
}

/** What the chain says of it. */
export interface ChainBooks {
  id: number
  escrow: Hex
  operator: Hex
  /** Of sessions that are not closed, and of channels that were opened to us. */
  states: ReadonlyMap<Hex, ChannelState>
  opened: OpenedChannel[]
  income: Income[]
}

/** Something that books and chain do not agree about, how much it is about, and what an operator can do. */
export interface Difference {
  what: What
  /** The session, channel, charge or transaction. */
  subject: string
  /** Null where it is not about an amount. */
  amountMicroUsd: bigint | null
  detail: string
  advice: string
}

const watched =
  'The cloud notes it within ten seconds. If it stays, see its log, and whether its RPC is behind.'
const explorer = 'See the transaction in an explorer of the chain, and whether the RPC is behind.'
const fault = 'This is a fault of Jack. Make a backup, and report it.'

const advice = {
  'the ledger contradicts itself': fault,
  'a channel is gone': `${watched} An RPC with a short memory does not know how channels ended.`,
  'a deposit differs': watched,
  'a settlement differs': watched,
  'more was taken than delivered':
    'Send the difference to the payer. Jack does not settle so: see who else has its keys.',
  'a payer asked for his money':
    'He can take it 15 minutes after he asked. The cloud closes the session within ten seconds; if it does not, see its log.',
  'a session does not close':
    'The log of the cloud says why: the operator may have no gas money, or the RPC does not answer.',
  'no key of ours closes a channel':
    'Start the cloud with the operator key that the channel was opened for until it is closed.',
  'nobody watches a channel':
    'It is on another chain: start the cloud with that one until it is closed.',
  'money is lost':
    'Nothing brings it back. See why the cloud, or its RPC, was away for 15 minutes. From then on ask with --since.',
  'a session brought in something else': explorer,
  'an unknown channel':
    'Anybody may open one, and can take his money back: nothing is lost. If the database is a restored backup, sessions since then are lost.',
  'a charge brought in something else': explorer,
  'a charge is in no balance': fault,
  'a charge was paid and is not booked':
    'The cloud finds it within a few minutes. If it stays, send it back to whom it came from.',
  'nobody knows what became of a charge':
    'The cloud asks the chain every few seconds. If it stays, see its log.',
  'income that nobody knows':
    'It came past Jack; or, if the database is a restored backup, it was paid since then. Once you know, ask with --since.',
} as const

type What = keyof typeof advice

const difference = (
  what: What,
  subject: string,
  amountMicroUsd: bigint | null,
  detail: string,
): Difference => ({ what, subject, amountMicroUsd, detail, advice: advice[what] })

/** Of which time everything is compared; `since` null is all. */
interface Window {
  now: Date
  since: Date | null
}

/** Every contradiction between the books and the chain; none if all is well. */
export function differencesOf(books: Books, chain: ChainBooks, window: Window): Difference[] {
  const sessions = books.sessions.filter((it) => it.status !== 'opening')
  const ofChannel = Map.groupBy(chain.income, (it) => it.channelId)
  const transfers = Map.groupBy(ofChannel.get(null) ?? [], (it) => it.txHash)
  return [
    ...books.contradictions.map(({ rule, subject, detail }) =>
      difference('the ledger contradicts itself', subject, null, `not so: ${rule}. ${detail}`),
    ),
    ...sessions
      .filter((it) => it.status !== 'closed')
      .flatMap((it) => (isOn(chain)(it) ? alive(it, chain, window) : unwatched(it))),
    ...sessions
      .filter((it) => it.status === 'closed' && isOn(chain)(it))
      .flatMap((it) => closed(it, sumOf(ofChannel.get(it.channelId)), window)),
    ...strangeChannels(books, chain),
    ...books.charges
      .filter((it) => isWithin(window, it.createdAt))
      .flatMap((it) => charge(it, sumOf(transfers.get(it.txHash)), window)),
    ...strangeIncome(books, chain),
  ]
}

const isWithin = ({ since }: Window, at: Date | null): boolean =>
  since === null || (at !== null && at >= since)

/** After so long what is under way should have come to an end. */
const isOld = ({ now }: Window, at: Date | null): boolean =>
  at !== null && now.getTime() - at.getTime() > 600_000

/** A session that the books have as open, or as closing. */
function alive(it: SessionState, chain: ChainBooks, window: Window): Difference[] {
  const { sessionId: id, depositMicroUsd, settledMicroUsd, descriptor } = it
  const spent = spentMicroUsd(it)
  const atRisk = spent - settledMicroUsd
  const state = chain.states.get(it.channelId)
  if (!state || state.depositMicroUsd === 0n)
    return [difference('a channel is gone', id, atRisk, `it is ${it.status} in the books`)]
  const [deposit, settled] = [state.depositMicroUsd, state.settledMicroUsd]
  const found: (Difference | false)[] = [
    deposit !== depositMicroUsd &&
      difference(
        'a deposit differs',
        id,
        deposit - depositMicroUsd,
        both(depositMicroUsd, deposit),
      ),
    settled !== settledMicroUsd &&
      difference(
        'a settlement differs',
        id,
        settled - settledMicroUsd,
        both(settledMicroUsd, settled),
      ),
    settled > spent &&
      difference(
        'more was taken than delivered',
        id,
        settled - spent,
        `${both(spent, settled)}; the payer is ${it.payer}`,
      ),
    state.closeRequestedAt !== null &&
      it.status === 'open' &&
      difference(
        'a payer asked for his money',
        id,
        atRisk,
        `on chain, at ${state.closeRequestedAt.toISOString()}`,
      ),
    it.status === 'closing' &&
      isOld(window, it.closingAt) &&
      difference(
        'a session does not close',
        id,
        atRisk,
        `closing since ${it.closingAt?.toISOString()}; $${toUsd(it.heldMicroUsd)} is held`,
      ),
    ![descriptor.operator, descriptor.payee].includes(chain.operator) &&
      difference(
        'no key of ours closes a channel',
        id,
        atRisk,
        `its operator is ${descriptor.operator}, ours is ${chain.operator}`,
      ),
  ]
  return found.filter((it) => it !== false)
}

const both = (books: bigint, chain: bigint): string =>
  `$${toUsd(books)} in the books, $${toUsd(chain)} on chain`

const unwatched = (it: SessionState): Difference =>
  difference(
    'nobody watches a channel',
    it.sessionId,
    spentMicroUsd(it) - it.settledMicroUsd,
    `it is ${it.status} on chain ${it.chainId}`,
  )

/** @param got what its channel brought in, as the chain has it */
function closed(it: SessionState, got: bigint, window: Window): Difference[] {
  const { sessionId, committedMicroUsd, settledMicroUsd } = it
  const found: Difference[] = []
  const lost = committedMicroUsd - settledMicroUsd
  if (lost > 0n && isWithin(window, it.closedAt)) {
    const detail = `$${toUsd(committedMicroUsd)} was delivered, $${toUsd(settledMicroUsd)} captured before ${it.payer} took the rest`
    found.push(difference('money is lost', sessionId, lost, detail))
  }
  if (got !== settledMicroUsd && isWithin(window, it.openedAt)) {
    const detail = `${both(settledMicroUsd, got)}; closed by ${it.closeTx}`
    const amount = got - settledMicroUsd
    found.push(difference('a session brought in something else', sessionId, amount, detail))
  }
  return found
}

/** Channels to us that are open and in no book. */
function strangeChannels({ sessions }: Books, { opened, states }: ChainBooks): Difference[] {
  const known = new Set(sessions.map((it) => it.channelId))
  return opened.flatMap(({ channelId, payer, txHash }) => {
    const deposit = states.get(channelId)?.depositMicroUsd ?? 0n
    if (known.has(channelId) || deposit === 0n) return []
    return difference('an unknown channel', channelId, deposit, `${payer} opened it by ${txHash}`)
  })
}

/** @param got what its transaction brought in, as the chain has it */
function charge(it: BookedCharge, got: bigint, window: Window): Difference[] {
  const { challengeId, amountMicroUsd, state, txHash } = it
  const say = (what: What, amount: bigint) => [
    difference(
      what,
      challengeId,
      amount,
      `${state} in the books, $${toUsd(got)} on chain by ${txHash}`,
    ),
  ]
  if (state === 'paid') {
    if (got !== amountMicroUsd)
      return say('a charge brought in something else', got - amountMicroUsd)
    return it.isCredited ? [] : say('a charge is in no balance', amountMicroUsd)
  }
  if (got > 0n) return say('a charge was paid and is not booked', got)
  if (state === 'broadcasting' && isOld(window, it.createdAt))
    return say('nobody knows what became of a charge', amountMicroUsd)
  return []
}

/** What came, and nothing in the books says why. */
function strangeIncome({ sessions, charges }: Books, { income }: ChainBooks): Difference[] {
  const channels = new Set<string | null>(sessions.map((it) => it.channelId))
  const transactions = new Set(charges.map((it) => it.txHash))
  return income
    .filter((it) => !channels.has(it.channelId) && !transactions.has(it.txHash))
    .map(({ txHash, amountMicroUsd, channelId, from }) => {
      const whence = channelId === null ? from : `the channel ${channelId}`
      return difference(
        'income that nobody knows',
        txHash,
        amountMicroUsd,
        `it came from ${whence}`,
      )
    })
}

/** How much it is all about. */
export interface Totals {
  sessions: { open: number; closing: number; closed: number }
  /** Of sessions that are not closed, as are the four below it. */
  depositMicroUsd: bigint
  spentMicroUsd: bigint
  heldMicroUsd: bigint
  unusedMicroUsd: bigint
  /** Spent, and not settled on chain yet. */
  atRiskMicroUsd: bigint
  /** Of all sessions, captured or settled. */
  settledMicroUsd: bigint
  /** By charges. */
  chargedMicroUsd: bigint
  /** Spent, and taken back by payers before it was captured. */
  lostMicroUsd: bigint
  /** What came to the payee, as the chain has it. */
  incomeMicroUsd: bigint
}

export function totalsOf({ sessions, charges }: Books, chain: ChainBooks): Totals {
  const known = sessions.filter((it) => isOn(chain)(it) && it.status !== 'opening')
  const alive = known.filter((it) => it.status !== 'closed')
  const withdrawn = known.filter((it) => it.closeReason === 'withdrawn')
  const count = (status: string) => known.filter((it) => it.status === status).length
  return {
    sessions: { open: count('open'), closing: count('closing'), closed: count('closed') },
    depositMicroUsd: sum(alive, (it) => it.depositMicroUsd),
    spentMicroUsd: sum(alive, spentMicroUsd),
    heldMicroUsd: sum(alive, (it) => it.heldMicroUsd),
    unusedMicroUsd: sum(alive, (it) => it.unusedMicroUsd),
    atRiskMicroUsd: sum(alive, (it) => spentMicroUsd(it) - it.settledMicroUsd),
    settledMicroUsd: sum(known, (it) => it.settledMicroUsd),
    chargedMicroUsd: sum(charges, (it) => (it.state === 'paid' ? it.amountMicroUsd : 0n)),
    lostMicroUsd: sum(withdrawn, (it) => it.committedMicroUsd - it.settledMicroUsd),
    incomeMicroUsd: sumOf(chain.income),
  }
}

const sum = <T>(items: readonly T[], of: (it: T) => bigint): bigint =>
  items.reduce((all, it) => all + of(it), 0n)

const sumOf = (income: readonly Income[] = []): bigint => sum(income, (it) => it.amountMicroUsd)
