import { z } from 'zod'
import { Timestamp } from './Names.ts'
import { nextCursor, PageQuery } from './Page.ts'

/** A stored line of an app: what it printed, or what happened to it. */
export const LogEntry = z.object({
  /** Ascending; resumes a followed stream (`Last-Event-ID`). */
  id: z.string(),
  at: Timestamp,
  level: z.enum(['debug', 'info', 'log', 'warn', 'error']),
  message: z.string(),
  deployment_id: z.string().nullable(),
  /** The answer's `x-request-id`, or an id of the run of a schedule or queue; null outside of them. */
  request_id: z.string().nullable(),
  /** Who says it: the app on its console, the app by an exception that nobody caught, or Jack. */
  kind: z.enum(['console', 'exception', 'notice']),
})
export type LogEntry = z.infer<typeof LogEntry>

/** `since` and `until`: a time (RFC 3339), or how long ago: "90s", "15m", "2h", "7d". */
export const LogQuery = PageQuery.extend({
  since: z.string().max(40).optional(),
  until: z.string().max(40).optional(),
  /** The least severe level to show. */
  level: z.enum(['debug', 'info', 'log', 'warn', 'error']).optional(),
  /** Text that the message contains. */
  query: z.string().max(200).optional(),
  deployment: z.string().max(60).optional(),
  request: z.string().max(80).optional(),
})

/** Oldest first. */
export const LogPage = z.object({ logs: z.array(LogEntry), ...nextCursor })
