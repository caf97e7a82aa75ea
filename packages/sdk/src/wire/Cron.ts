import { z } from 'zod'
import { Timestamp } from './Names.ts'

/** The schedule of what is live in a project. */
export const CronList = z.object({
  crons: z.array(
    z.object({
      cron: z.string(),
      /** Null when it is never due again. */
      next_at: Timestamp.nullable(),
      /** The due time that was run last. */
      last_at: Timestamp.nullable(),
      /** How that went: "ok", "exception", or the code of the error that kept it from running. */
      last_outcome: z.string().nullable(),
    }),
  ),
})

/** Which expression is meant; it may be left out when there is only one. */
export const RunCron = z.strictObject({ cron: z.string().max(100).optional() })

export const CronRun = z.object({
  cron: z.string(),
  scheduled_at: Timestamp,
  /** "ok", "exception", or the code of the error that kept it from running to its end. What it threw is in the logs. */
  outcome: z.string(),
  error: z.string().nullable(),
  duration_ms: z.number(),
})
