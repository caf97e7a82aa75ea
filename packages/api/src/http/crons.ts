import { operations } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import type { Jack } from '../jack.ts'
import * as crons from '../store/crons.ts'
import { findProject } from '../verbs/find-project.ts'
import { runCronNow } from '../verbs/run-cron-now.ts'
import type { Door } from './Door.ts'
import { route } from './route.ts'

export function cronsDoor(app: Hono<Door>, jack: Jack): void {
  route(app, jack, operations.listCrons, async ({ payer, params }) => {
    const { projectId } = await findProject(jack, payer, params.project)
    const found = await crons.list(jack.db, projectId)
    return {
      crons: found.map((it) => ({
        cron: it.expression,
        next_at: it.nextAt?.toISOString() ?? null,
        last_at: it.lastAt?.toISOString() ?? null,
        last_outcome: it.lastOutcome,
      })),
    }
  })

  route(app, jack, operations.runCron, async ({ payer, params, body }) => {
    const project = await findProject(jack, payer, params.project)
    const run = await runCronNow(jack, project, body.cron)
    return {
      cron: run.cron,
      scheduled_at: run.scheduledAt.toISOString(),
      outcome: run.outcome,
      error: run.error ?? null,
      duration_ms: run.durationMs,
    }
  })
}
