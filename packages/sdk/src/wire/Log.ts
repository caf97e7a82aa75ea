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

const moment = 'A time (RFC 3339), or how long ago: "90s", "15m", "2h", "7d".'

export const LogQuery = PageQuery.extend({
  since: z.string().max(40).optional().describe(moment),
  until: z.string().max(40).optional().describe(moment),
  level: z
    .enum(['debug', 'info', 'log', 'warn', 'error'])
    .optional()
    .describe('The least severe level to show.'),
  query: z.string().max(200).optional().describe('Text that the message contains.'),
  deployment: z.string().max(60).optional().describe('Only of this version, by its id.'),
  request: z.string().max(80).optional().describe('Only of this request: its `x-request-id`.'),
})

/** Oldest first. */
export const LogPage = z.object({ logs: z.array(LogEntry), ...nextCursor })
