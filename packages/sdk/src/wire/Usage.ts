import { z } from 'zod'
import { Timestamp } from './Names.ts'
import { Usd } from './Usd.ts'

export const UsageQuery = z.object({
  per: z.enum(['minute', 'hour', 'day']).default('hour'),
  since: z.string().max(40).default('24h'),
})

const counters = {
  requests: z.number().int(),
  errors: z.number().int(),
  cpu_ms: z.number(),
  /** At list prices. */
  cost_usd: Usd,
}

export const Usage = z.object({
  total: z.object(counters),
  buckets: z.array(z.object({ at: Timestamp, ...counters })),
})
export type Usage = z.infer<typeof Usage>
