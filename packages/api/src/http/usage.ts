import { operations, runtimeCosts, toUsd } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import type { Jack } from '../jack.ts'
import { quantileMs } from '../Latency.ts'
import * as projects from '../store/projects.ts'
import * as runtime from '../store/runtime.ts'
import * as usage from '../store/usage.ts'
import { addUsage, costNanoUsd, noUsage, type Usage } from '../Usage.ts'
import { findProject } from '../verbs/find-project.ts'
import { type Runway, runwayOf } from '../verbs/runway.ts'
import { parseWhen } from '../When.ts'
import type { Door } from './Door.ts'
import { route } from './route.ts'

export function usageDoor(app: Hono<Door>, jack: Jack): void {
  route(app, jack, operations.getUsage, async ({ payer, params, query }) => {
    const project = await findProject(jack, payer, params.project)
    await jack.recorder.flush()
    const since = parseWhen(query.since, jack.now())
    const buckets = await usage.read(jack.db, project.projectId, query.per, since)
    const it = await runtime.read(jack.db, project.projectId, jack.now())
    const { budgetMicroUsd, dailyBudgetMicroUsd } = project
    return {
      ...overTime(buckets),
      runway: presentRunway(await runwayOf(jack, payer.accountId)),
      budget: {
        budget_usd: budgetMicroUsd === null ? null : toUsd(budgetMicroUsd),
        daily_budget_usd: dailyBudgetMicroUsd === null ? null : toUsd(dailyBudgetMicroUsd),
        spent_usd: usd(it.spentNanoUsd),
        spent_today_usd: usd(it.spentTodayNanoUsd),
        included_usd: toUsd(it.includedMicroUsd),
        included_left_usd: usd(it.includedMicroUsd * 1_000n - it.includedUsedNanoUsd),
      },
    }
  })

  route(app, jack, operations.accountUsage, async ({ payer, query }) => {
    await jack.recorder.flush()
    const since = parseWhen(query.since, jack.now())
    const of = { accountId: payer.accountId, projectId: payer.projectId }
    const buckets = await usage.readAccount(jack.db, of, query.per, since)
    const used = await usage.ofAccount(jack.db, of, since)
    const known = await projects.byIds(
      jack.db,
      used.map((it) => it.projectId),
    )
    return {
      ...overTime(buckets),
      runway: presentRunway(await runwayOf(jack, payer.accountId)),
      projects: used
        .flatMap((it) => {
          const project = known.get(it.projectId)
          return project ? [{ project, it }] : []
        })
        .sort((a, b) => Number(costNanoUsd(b.it) - costNanoUsd(a.it)))
        .map(({ project, it }) => ({
          project_id: project.projectId,
          name: project.name,
          status: project.status,
          ...counters(it),
        })),
    }
  })
}

function overTime(buckets: (Usage & { at: Date })[]) {
  const total = buckets.reduce<Usage>(addUsage, noUsage)
  const costs = runtimeCosts(total)
  return {
    total: {
      ...counters(total),
      cost: {
        requests_usd: usd(costs.requests),
        cpu_usd: usd(costs.cpu),
        rows_read_usd: usd(costs.rowsRead),
        rows_written_usd: usd(costs.rowsWritten),
      },
    },
    buckets: buckets.map((it) => ({ at: it.at.toISOString(), ...counters(it) })),
  }
}

const presentRunway = (it: Runway) => ({
  balance_usd: usd(it.balanceNanoUsd),
  last_24h_usd: usd(it.dayNanoUsd),
  hours: it.hours,
})

function counters(it: Usage) {
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => quantileMs(it.latency, share))
  const round = (ms: number | null | undefined) => Math.round((ms ?? 0) * 100) / 100
  return {
    requests: it.requests,
    errors: it.errors,
    cpu_ms: it.cpuUs / 1_000,
    rows_read: it.rowsRead,
    rows_written: it.rowsWritten,
    egress_requests: it.egressRequests,
    egress_bytes: it.egressBytes,
    latency: p50 === null ? null : { p50_ms: round(p50), p90_ms: round(p90), p99_ms: round(p99) },
    cost_usd: usd(costNanoUsd(it)),
  }
}

/** Rounded down to micro-USD, as it is charged. */
const usd = (nanoUsd: bigint) => toUsd(nanoUsd / 1_000n)
