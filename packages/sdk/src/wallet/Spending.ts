import { JackError } from '../JackError.ts'
import { fromUsd, toUsd } from '../wire/Usd.ts'

/** The most that a wallet spends by itself: decimal strings in USD, such as "0.5". What is left out has no limit. */
export interface SpendingLimits {
  /** For one call, retries included. */
  perCallUsd?: string | undefined
  /** For one day in UTC, all programs with this wallet and store together. */
  perDayUsd?: string | undefined
  /** For the wallet's whole life. */
  totalUsd?: string | undefined
}

export interface Limits {
  perCallMicroUsd?: bigint | undefined
  perDayMicroUsd?: bigint | undefined
  totalMicroUsd?: bigint | undefined
}

/** What a wallet spent. Days are kept apart, so that a clock that goes back finds its day again. */
export interface Spending {
  totalMicroUsd: bigint
  /** UTC days such as "2031-05-01", the last few. */
  days: { day: string; spentMicroUsd: bigint }[]
  /** What was spent before, in milliseconds since 1970, is not known: the record of it was damaged. */
  unknownBefore?: number | undefined
}

/** An amount that counts as spent from before it is signed for. */
export interface Booking {
  day: string
  microUsd: bigint
}

export const nothingSpent: Spending = { totalMicroUsd: 0n, days: [] }

const keptDays = 4

export const dayOf = (now: number): string => new Date(now).toISOString().slice(0, 10)

export const spentOn = (spending: Spending, day: string): bigint =>
  spending.days.find((it) => it.day === day)?.spentMicroUsd ?? 0n

/** Reads limits as the caller wrote them. Throws a JackError `usage`. */
export function parseLimits(given: SpendingLimits = {}): Limits {
  return {
    perCallMicroUsd: parseUsd('spending.perCallUsd', given.perCallUsd),
    perDayMicroUsd: parseUsd('spending.perDayUsd', given.perDayUsd),
    totalMicroUsd: parseUsd('spending.totalUsd', given.totalUsd),
  }
}

/** USD to micro-USD. Throws a JackError `usage` that names the option. */
export function parseUsd(option: string, usd: string | undefined): bigint | undefined {
  if (usd === undefined) return undefined
  try {
    const microUsd = typeof usd === 'string' ? fromUsd(usd) : -1n
    if (microUsd >= 0n) return microUsd
  } catch {
    // Said below.
  }
  throw new JackError(
    'usage',
    `${option} is not an amount in USD: "${String(usd).slice(0, 40)}".`,
    {
      hint: 'Write it as a string with at most six decimals: "5" or "0.25".',
    },
  )
}

export interface SpentSoFar {
  now: number
  inThisCall: bigint
  /** What does not count as spent, and could still be taken. */
  claimable: bigint
}

/** Counts an amount as spent, when all limits allow it. Throws a JackError `spending_limit`. */
export function book(
  spending: Spending,
  limits: Limits,
  microUsd: bigint,
  soFar: SpentSoFar,
): { spending: Spending; booking: Booking } {
  assertAllowed(spending, limits, microUsd, soFar)
  const { now } = soFar
  const booking = { day: dayOf(now), microUsd }
  return { spending: add(spending, booking.day, microUsd), booking }
}

/** Counts an amount as spent, whatever the limits. */
export const spend = (spending: Spending, now: number, microUsd: bigint): Spending =>
  add(spending, dayOf(now), microUsd)

/** Counts `microUsd` of a booking as not spent. */
export function giveBack(spending: Spending, booking: Booking, microUsd: bigint): Spending {
  return add(spending, booking.day, -microUsd)
}

function add(spending: Spending, day: string, microUsd: bigint): Spending {
  const others = spending.days.filter((it) => it.day !== day)
  const days = [...others, { day, spentMicroUsd: atLeastZero(spentOn(spending, day) + microUsd) }]
  return {
    ...spending,
    totalMicroUsd: atLeastZero(spending.totalMicroUsd + microUsd),
    days: days.slice(-keptDays),
  }
}

const atLeastZero = (microUsd: bigint): bigint => (microUsd < 0n ? 0n : microUsd)

/** Throws a JackError `spending_limit` when an amount is more than the limits leave. */
export function assertAllowed(
  spending: Spending,
  limits: Limits,
  microUsd: bigint,
  { now, inThisCall, claimable }: SpentSoFar,
): void {
  const day = dayOf(now)
  const today = spentOn(spending, day) + claimable
  const ever = spending.totalMicroUsd + claimable
  const checks = [
    ['perCallUsd', limits.perCallMicroUsd, inThisCall, 'for one call'],
    ['perDayUsd', limits.perDayMicroUsd, today, 'for one day'],
    ['totalUsd', limits.totalMicroUsd, ever, 'for the life of the wallet'],
  ] as const
  for (const [name, limit, spent, what] of checks) {
    if (limit === undefined) continue
    if (isUnknown(spending, name, day)) throw unknown(spending, name)
    if (spent + microUsd <= limit) continue
    throw new JackError(
      'spending_limit',
      `This costs $${toUsd(microUsd)}; of the limit of $${toUsd(limit)} ${what}, $${toUsd(spent)} are spent.`,
      {
        hint:
          name === 'perDayUsd'
            ? 'Nothing was signed or paid. Wait until 00:00 UTC, or raise `spending.perDayUsd`.'
            : `Nothing was signed or paid. Raise \`spending.${name}\` if this is what you want.`,
        fields: {
          limit: name,
          limit_usd: toUsd(limit),
          spent_usd: toUsd(spent),
          needed_usd: toUsd(microUsd),
        },
      },
    )
  }
}

/** A record that was lost hides what its own day and the time before it have cost. */
function isUnknown({ unknownBefore }: Spending, limit: string, day: string): boolean {
  if (unknownBefore === undefined) return false
  return limit === 'totalUsd' || (limit === 'perDayUsd' && dayOf(unknownBefore) >= day)
}

function unknown({ unknownBefore = 0 }: Spending, name: string): JackError {
  const since = new Date(unknownBefore).toISOString()
  return new JackError(
    'spending_limit',
    `What this wallet spent before ${since} is not known: the record of it was damaged.`,
    {
      hint: `Nothing was signed or paid. Leave \`spending.${name}\` out, or let the wallet count from zero again by deleting its state.`,
      fields: { limit: name, unknown_before: since },
    },
  )
}
