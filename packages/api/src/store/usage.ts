import { sql } from 'kysely'
import type { Batch, Usage } from '../Usage.ts'
import type { Db } from './database.ts'

/** Adds a batch, in one statement. Projects that are gone meanwhile are dropped. */
export async function add(db: Db, { at, counted }: Batch): Promise<void> {
  const minute = new Date(Math.floor(at.getTime() / 60_000) * 60_000)
  const usages = [...counted.values()]
  const bigints = (field: Exclude<keyof Usage, 'latency'>) =>
    sql`${usages.map((it) => it[field])}::bigint[]`
  await sql`
    insert into usage_minute as had (project_id, minute, requests, errors, cpu_us, rows_read, rows_written,
      egress_requests, egress_bytes, latency)
    select it.project_id, ${minute}::timestamptz, it.requests, it.errors, it.cpu_us, it.rows_read, it.rows_written,
      it.egress_requests, it.egress_bytes, it.latency::int[]
    from unnest(
      ${[...counted.keys()]}::text[], ${bigints('requests')}, ${bigints('errors')}, ${bigints('cpuUs')},
      ${bigints('rowsRead')}, ${bigints('rowsWritten')}, ${bigints('egressRequests')}, ${bigints('egressBytes')},
      ${usages.map((it) => `{${it.latency.join(',')}}`)}::text[]
    ) as it (project_id, requests, errors, cpu_us, rows_read, rows_written, egress_requests, egress_bytes, latency)
    where exists (select from project where project.project_id = it.project_id)
    order by it.project_id
    on conflict (project_id, minute) do update set
      requests = had.requests + excluded.requests,
      errors = had.errors + excluded.errors,
      cpu_us = had.cpu_us + excluded.cpu_us,
      rows_read = had.rows_read + excluded.rows_read,
      rows_written = had.rows_written + excluded.rows_written,
      egress_requests = had.egress_requests + excluded.egress_requests,
      egress_bytes = had.egress_bytes + excluded.egress_bytes,
      latency = (
        select coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) order by step), '{}')
        from unnest(had.latency, excluded.latency) with ordinality as it (a, b, step))`.execute(db)
}

/** Usage since a time, summed per minute, hour or day (UTC), oldest first. */
export async function read(
  db: Db,
  projectId: string,
  per: 'minute' | 'hour' | 'day',
  since: Date,
): Promise<(Usage & { at: Date })[]> {
  const { rows } = await sql<SummedRow & { at: Date }>`
    select date_trunc(${per}, minute, 'UTC') as at, ${sums} from usage_minute
    where project_id = ${projectId} and minute >= date_trunc(${per}, ${since}::timestamptz, 'UTC')
    group by 1 order by 1`.execute(db)
  return rows.map((row) => ({ at: row.at, ...toUsage(row) }))
}

/** Usage of each of an account's projects that used something since a time. */
export async function ofAccount(
  db: Db,
  accountId: string,
  since: Date,
): Promise<(Usage & { projectId: string })[]> {
  const { rows } = await sql<SummedRow & { project_id: string }>`
    select project_id, ${sums} from usage_minute join project using (project_id)
    where account_id = ${accountId} and minute >= ${since} group by 1 order by 1`.execute(db)
  return rows.map((row) => ({ projectId: row.project_id, ...toUsage(row) }))
}

const sums = sql`
  sum(requests)::bigint as requests, sum(errors)::bigint as errors, sum(cpu_us)::bigint as cpu_us,
  sum(rows_read)::bigint as rows_read, sum(rows_written)::bigint as rows_written,
  sum(egress_requests)::bigint as egress_requests, sum(egress_bytes)::bigint as egress_bytes,
  array_agg(array_to_string(latency, ',')) as latencies`

interface SummedRow {
  requests: bigint
  errors: bigint
  cpu_us: bigint
  rows_read: bigint
  rows_written: bigint
  egress_requests: bigint
  egress_bytes: bigint
  /** Each row's histogram, as text. */
  latencies: string[]
}

function toUsage(row: SummedRow): Usage {
  const latency: number[] = []
  for (const text of row.latencies) {
    if (text === '') continue
    for (const [step, count] of text.split(',').entries()) {
      latency[step] = (latency[step] ?? 0) + Number(count)
    }
  }
  return {
    requests: Number(row.requests),
    errors: Number(row.errors),
    cpuUs: Number(row.cpu_us),
    rowsRead: Number(row.rows_read),
    rowsWritten: Number(row.rows_written),
    egressRequests: Number(row.egress_requests),
    egressBytes: Number(row.egress_bytes),
    latency,
  }
}
