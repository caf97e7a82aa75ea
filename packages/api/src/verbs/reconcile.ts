import type { Jack } from '../jack.ts'
import type { Payments } from '../payments/Payments.ts'
import {
  type Books,
  type ChainBooks,
  type Difference,
  differencesOf,
  type Totals,
  totalsOf,
} from '../Reconciliation.ts'
import { isOn } from '../Session.ts'
import * as charges from '../store/charges.ts'
import { audit } from '../store/ledgerAudit.ts'
import * as sessions from '../store/sessions.ts'
import { requirePayments } from './require-payments.ts'

export interface Reconciliation {
  chainId: number
  at: Date
  since: Date | null
  differences: Difference[]
  totals: Totals
}

/** What is under way may look like a difference for a moment. */
const momentMs = 3_000

/**
 * Compares the ledger with itself, and sessions and charges with the chain; changes nothing. A difference is one that is
 * still there a moment later.
 *
 * @param since leaves out what was on chain before: what is explained already, and what takes long to read
 */
export async function reconcile(
  jack: Jack,
  { since = null, pauseMs = momentMs }: { since?: Date | null; pauseMs?: number } = {},
): Promise<Reconciliation> {
  const payments = requirePayments(jack)
  const first = await compare(jack, payments, since)
  if (first.differences.length === 0) return first
  await new Promise((resolve) => setTimeout(resolve, pauseMs))
  const seen = new Set(first.differences.map(nameOf))
  const again = await compare(jack, payments, since)
  return { ...again, differences: again.differences.filter((it) => seen.has(nameOf(it))) }
}

const nameOf = ({ what, subject }: Difference): string => `${what} ${subject}`

async function compare(
  jack: Jack,
  payments: Payments,
  since: Date | null,
): Promise<Reconciliation> {
  const books = await readBooks(jack)
  const chain = await readChain(payments, books, since)
  const at = jack.now()
  const differences = differencesOf(books, chain, { now: at, since })
  return { chainId: chain.id, at, since, differences, totals: totalsOf(books, chain) }
}

const readBooks = async ({ db }: Jack): Promise<Books> => ({
  contradictions: await audit(db),
  sessions: await sessions.all(db),
  charges: await charges.booked(db),
})

async function readChain(
  payments: Payments,
  books: Books,
  since: Date | null,
): Promise<ChainBooks> {
  const opened = await payments.openedChannels(since ?? undefined)
  const alive = books.sessions.filter((it) => it.status !== 'closed' && isOn(payments.chain)(it))
  const asked = [...new Set([...alive, ...opened].map((it) => it.channelId))]
  const states = await payments.channels(asked)
  return {
    ...payments.chain,
    opened,
    states: new Map(states.map((state, i) => [asked[i] as (typeof asked)[0], state])),
    income: await payments.income(since ?? undefined),
  }
}
