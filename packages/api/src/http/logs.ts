import { setTimeout } from 'node:timers/promises'
import { type LogEntry, type LogQuery, operations, toUsd } from '@jackcloud/sdk/wire'
import type { Context, Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { z } from 'zod'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import * as logs from '../store/logs.ts'
import * as usage from '../store/usage.ts'
import { addUsage, costNanoUsd, noUsage, type Usage } from '../Usage.ts'
import { findProject } from '../verbs/find-project.ts'
import { parseWhen } from '../When.ts'
import type { Door } from './Door.ts'
import { route } from './route.ts'

/** How often a followed stream looks for new lines, and how often it shows that it lives. */
const lookMs = 400
const heartbeatMs = 15_000

export function logsDoor(app: Hono<Door>, jack: Jack): void {
  route(app, jack, operations.getLogs, async ({ payer, params, query, c }) => {
    const { projectId } = await findProject(jack, payer, params.project)
    const filter = filterOf(jack, query)
    await jack.recorder.flush()
    if (c.req.header('accept')?.includes('text/event-stream'))
      return follow(c, jack, projectId, filter)
    const found = await logs.read(jack.db, projectId, { ...filter, limit: filter.limit + 1 })
    const forward = filter.after !== undefined || filter.since !== undefined
    const page = forward ? found.slice(0, filter.limit) : found.slice(-filter.limit)
    return {
      logs: page.map(present),
      next_cursor: forward && found.length > filter.limit ? String(page.at(-1)?.id) : null,
    }
  })

  route(app, jack, operations.getUsage, async ({ payer, params, query }) => {
    const { projectId } = await findProject(jack, payer, params.project)
    await jack.recorder.flush()
    const buckets = await usage.read(
      jack.db,
      projectId,
      query.per,
      parseWhen(query.since, jack.now()),
    )
    return {
      total: counters(buckets.reduce<Usage>(addUsage, noUsage)),
      buckets: buckets.map((it) => ({ at: it.at.toISOString(), ...counters(it) })),
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
    limit: query.limit,
  }
}

/** New lines as they come (server-sent events), each with its id, so that a broken stream goes on where it ended. */
function follow(c: Context<Door>, jack: Jack, projectId: string, filter: logs.LogFilter): Response {
  const lastSeen = c.req.header('last-event-id')
  return streamSSE(c, async (stream) => {
    let after = lastSeen === undefined ? filter.after : lineId(lastSeen)
    let shownAt = Date.now()
    for (let first = true; !stream.aborted && !jack.closing.aborted; first = false) {
      if (!first) await setTimeout(lookMs, undefined, { signal: jack.closing }).catch(() => {})
      const lines = await logs.read(jack.db, projectId, {
        ...filter,
        after: first && after === undefined ? undefined : (after ?? 0n),
        ...(!first && { since: undefined }),
      })
      for (const line of lines) {
        await stream.writeSSE({
          id: String(line.id),
          event: 'log',
          data: JSON.stringify(present(line)),
        })
        after = line.id
      }
      if (lines.length > 0) shownAt = Date.now()
      else if (Date.now() - shownAt > heartbeatMs) {
        await stream.write(': still here\n\n')
        shownAt = Date.now()
      }
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
})

const counters = (it: Usage) => ({
  requests: it.requests,
  errors: it.errors,
  cpu_ms: Math.round(it.cpuMs * 1_000) / 1_000,
  cost_usd: toUsd(costNanoUsd(it) / 1_000n),
})
