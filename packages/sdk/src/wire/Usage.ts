import { z } from 'zod'
import { ProjectName, Timestamp } from './Names.ts'
import { Usd } from './Usd.ts'

export const UsageQuery = z.object({
  per: z.enum(['minute', 'hour', 'day']).default('hour').describe('How long a bucket is.'),
  since: z.string().max(40).default('24h').describe('A time (RFC 3339), or how long ago: "7d".'),
})

const count = z.number().int()

const counters = {
  requests: count,
  /** Answered with a 5xx, or not at all. */
  errors: count,
  cpu_ms: z.number(),
  /** Rows that D1 read and wrote. */
  rows_read: count,
  rows_written: count,
  /** Requests that went out, and bytes in both directions. */
  egress_requests: count,
  egress_bytes: count,
  /** How long half, nine tenths, and 99 of 100 requests took at most; within a tenth. Null without a request. */
  latency: z.object({ p50_ms: z.number(), p90_ms: z.number(), p99_ms: z.number() }).nullable(),
  /** At list prices, included runtime and all. */
  cost_usd: Usd,
}

const cost = z.object({
  requests_usd: Usd,
  cpu_usd: Usd,
  rows_read_usd: Usd,
  rows_written_usd: Usd,
})

/** How long the balance lasts at what all of the account's projects cost in the last 24 hours. */
export const Runway = z.object({
  /** Less what was used and is not charged yet. */
  balance_usd: Usd,
  last_24h_usd: Usd,
  /** Null when nothing was used. */
  hours: z.number().nullable(),
})

const total = z.object({ ...counters, cost })
const bucket = z.object({ at: Timestamp, ...counters })

export const Usage = z.object({
  total,
  buckets: z.array(bucket),
  runway: Runway,
  budget: z.object({
    budget_usd: Usd.nullable(),
    daily_budget_usd: Usd.nullable(),
    /** On runtime beyond what is included. */
    spent_usd: Usd,
    spent_today_usd: Usd,
    /** Runtime that deploys brought along, and how much of it is left. */
    included_usd: Usd,
    included_left_usd: Usd,
  }),
})
export type Usage = z.infer<typeof Usage>

/** Of all of an account's projects: those that used something, most expensive first. */
export const AccountUsage = z.object({
  total,
  buckets: z.array(bucket),
  runway: Runway,
  projects: z.array(
    z.object({
      project_id: z.string(),
      name: ProjectName,
      status: z.enum(['active', 'suspended', 'expired']),
      ...counters,
    }),
  ),
})
export type AccountUsage = z.infer<typeof AccountUsage>
