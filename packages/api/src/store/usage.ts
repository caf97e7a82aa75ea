import { sql } from 'kysely'
import type { Usage } from '../Usage.ts'
import type { Db } from './database.ts'

/** Adds what was counted since the last flush, in one statement. Projects that are gone meanwhile are dropped. */
export async function add(
  db: Db,
  minute: Date,
  counted: ReadonlyMap<string, Usage>,
): Promise<void> {
  if (counted.size === 0) return
  const projects = [...counted.keys()]
  const usages = [...counted.values()]
  await sql`
    insert into usage_minute (project_id, minute, requests, errors, cpu_ms)
    select it.project_id, ${minute}::timestamptz, it.requests, it.errors, it.cpu_ms from unnest(
      ${projects}::text[],
      ${usages.map((it) => it.requests)}::bigint[],
      ${usages.map((it) => it.errors)}::bigint[],
      ${usages.map((it) => it.cpuMs)}::double precision[]
    ) as it (project_id, requests, errors, cpu_ms)
    where exists (select from project where project.project_id = it.project_id)
    order by it.project_id
    on conflict (project_id, minute) do update set
      requests = usage_minute.requests + excluded.requests,
      errors = usage_minute.errors + excluded.errors,
      cpu_ms = usage_minute.cpu_ms + excluded.cpu_ms`.execute(db)
}

/** Usage since a time, summed per minute, hour or day (UTC), oldest first. */
export async function read(
  db: Db,
  projectId: string,
  per: 'minute' | 'hour' | 'day',
  since: Date,
): Promise<(Usage & { at: Date })[]> {
  const { rows } = await sql<{ at: Date; requests: string; errors: string; cpu_ms: number }>`
    select date_trunc(${per}, minute, 'UTC') as at, sum(requests)::text as requests,
      sum(errors)::text as errors, sum(cpu_ms) as cpu_ms
    from usage_minute where project_id = ${projectId} and minute >= date_trunc(${per}, ${since}::timestamptz, 'UTC')
    group by 1 order by 1`.execute(db)
  return rows.map((row) => ({
    at: row.at,
    requests: Number(row.requests),
    errors: Number(row.errors),
    cpuMs: row.cpu_ms,
  }))
}

/** Usage of all of an account's projects since a time. */
export async function ofAccount(db: Db, accountId: string, since: Date): Promise<Usage> {
  const { rows } = await sql<{ requests: string; errors: string; cpu_ms: number }>`
    select coalesce(sum(requests), 0)::text as requests, coalesce(sum(errors), 0)::text as errors,
      coalesce(sum(cpu_ms), 0) as cpu_ms
    from usage_minute join project using (project_id) where account_id = ${accountId} and minute >= ${since}`.execute(
    db,
  )
  const row = rows[0]
  return { requests: Number(row?.requests), errors: Number(row?.errors), cpuMs: row?.cpu_ms ?? 0 }
}
