import { setTimeout } from 'node:timers/promises'
import { type LogEntry, type LogQuery, operations } from '@jackcloud/sdk/wire'
import type { Context, Hono } from 'hono'
import { type SSEStreamingApi, streamSSE } from 'hono/streaming'
import type { z } from 'zod'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import * as logs from '../store/logs.ts'
import { findProject } from '../verbs/find-project.ts'
import { parseWhen } from '../When.ts'
import { callerOf, requirePayer } from './authenticate.ts'
import type { Door } from './Door.ts'
import { asJackError } from './problem.ts'
import { route } from './route.ts'

/** How often a followed stream looks for new lines, and how often it shows that it lives. */
const lookMs = 400
const heartbeatMs = 15_000

/** Streams that one account may follow at once: each looks into the database again and again. Counts are per replica. */
const mostFollowed = 32

/** What is held of each stream while its reader is slow. A line may have 16 KB. */
const heldLines = 100

export function logsDoor(app: Hono<Door>, jack: Jack): void {
  const followed = new Map<string, number>()

  route(app, jack, operations.getLogs, async ({ payer, params, query, c }) => {
    const { projectId } = await findProject(jack, payer, params.project)
    const filter = filterOf(jack, query)
    await jack.recorder.flush()
    if (c.req.header('accept')?.includes('text/event-stream')) {
      const lastSeen = c.req.header('last-event-id')
      const from = lastSeen === undefined ? filter.after : lineId(lastSeen)
      const leave = place(followed, payer.accountId)
      const limit = Math.min(filter.limit, heldLines)
      return follow(c, jack, projectId, { ...filter, after: from, limit }, leave)
    }
    const found = await logs.read(jack.db, projectId, { ...filter, limit: filter.limit + 1 })
    const forward = filter.after !== undefined || filter.since !== undefined
    const page = forward ? found.slice(0, filter.limit) : found.slice(-filter.limit)
    return {
      logs: page.map(present),
      next_cursor: forward && found.length > filter.limit ? String(page.at(-1)?.id) : null,
    }
  })
}

function filterOf(jack: Jack, query: z.output<typeof LogQuery>): logs.LogFilter {
  return {
    after: query.cursor === undefined ? undefined : lineId(query.cursor),
    since: query.since === undefined ? undefined : parseWhen(query.since, jack.now()),
    until: query.until === undefined ? undefined : parseWhen(query.until, jack.now()),
    minLevel: query.level,
    query: query.query,
    deploymentId: query.deployment,
    requestId: query.request,
    limit: query.limit,
  }
}

/** Takes one of the streams that an account may follow; what is answered gives it back. */
function place(followed: Map<string, number>, accountId: string): () => void {
  const count = followed.get(accountId) ?? 0
  if (count >= mostFollowed) {
    throw new JackError(
      'rate_limited',
      `An account can follow ${mostFollowed} streams of logs at once.`,
      { hint: 'Close one that nobody reads any more.', retryAfterSeconds: 5 },
    )
  }
  followed.set(accountId, count + 1)
  return () => {
    const left = (followed.get(accountId) ?? 1) - 1
    if (left > 0) followed.set(accountId, left)
    else followed.delete(accountId)
  }
}

/**
 * New lines as they come (server-sent events), each with its id, so that a broken stream goes on where it ended. When
 * there are none, an event `cursor` says from time to time how far the log was looked through. Ends with the token or
 * the project.
 */
function follow(
  c: Context<Door>,
  jack: Jack,
  projectId: string,
  filter: logs.LogFilter,
  leave: () => void,
): Response {
  const payerNow = async () => requirePayer(await callerOf(c, jack))
  const tell = async (stream: SSEStreamingApi) => {
    let { after } = filter
    let shownAt = 0
    let pause = 0
    while (!stream.aborted && !jack.closing.aborted) {
      if (pause > 0) await setTimeout(pause, undefined, { signal: jack.closing }).catch(() => {})
      const payer = await payerNow()
      // First how far the log goes, then what is in it: what is written meanwhile is found the next time.
      const newest = await logs.newestId(jack.db, projectId)
      const forward = after !== undefined || filter.since !== undefined
      const lines =
        after !== undefined && newest <= after
          ? []
          : await logs.read(jack.db, projectId, { ...filter, after })
      for (const line of lines) {
        const data = JSON.stringify(present(line))
        await stream.writeSSE({ id: String(line.id), event: 'log', data })
        shownAt = Date.now()
      }
      const last: bigint = lines.at(-1)?.id ?? after ?? 0n
      const more = forward && lines.length === filter.limit
      after = more || newest < last ? last : newest
      // Who is behind reads on at once.
      pause = more ? 0 : lookMs
      if (Date.now() - shownAt < heartbeatMs) continue
      await findProject(jack, payer, projectId)
      await stream.writeSSE({ id: String(after), event: 'cursor', data: '{}' })
      shownAt = Date.now()
    }
  }
  return streamSSE(c, async (stream) => {
    try {
      await tell(stream)
    } catch (error) {
      // What is told already can't be taken back; who asks again is told why.
      if (asJackError(error).status >= 500) jack.log.error({ err: error }, 'following logs')
    } finally {
      leave()
    }
  })
}

function lineId(cursor: string): bigint {
  if (/^\d{1,18}$/.test(cursor)) return BigInt(cursor)
  throw new JackError('invalid_request', 'The cursor is not one of ours.', {
    hint: 'Use the next_cursor, or the id of a line, as it was answered.',
  })
}

const present = (line: logs.StoredLogLine): LogEntry => ({
  id: String(line.id),
  at: line.at.toISOString(),
  level: line.level,
  message: line.message,
  deployment_id: line.deploymentId,
  request_id: line.requestId,
  kind: line.kind,
})
