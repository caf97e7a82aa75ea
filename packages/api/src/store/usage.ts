import { sql } from 'kysely'
import { type Batch, costNanoUsd, type Usage } from '../Usage.ts'
import type { Db } from './database.ts'

/**
 * Stores a batch and its cost, in one transaction, and once however often it comes. What the balance or a budget does
 * not carry any further is suspended with it. Projects that are gone meanwhile are dropped.
 * Answers the ids of projects that were suspended; every replica hears of them by a notice, too.
 */
export async function store(db: Db, { server, number, at, counted }: Batch): Promise<string[]> {
  const usages = [...counted.values()]
  const bigints = (field: Exclude<keyof Usage, 'latency'>) =>
    sql`${usages.map((it) => it[field])}::bigint[]`
  const { rows } = await sql<{ project_id: string }>`
    select * from runtime_store(
      ${server}, ${number}, ${at}::timestamptz,
      ${[...counted.keys()]}::text[], ${usages.map(costNanoUsd)}::bigint[],
      ${bigints('requests')}, ${bigints('errors')}, ${bigints('cpuUs')},
      ${bigints('rowsRead')}, ${bigints('rowsWritten')}, ${bigints('egressRequests')}, ${bigints('egressBytes')},
      ${usages.map((it) => `{${it.latency.join(',')}}`)}::text[]
    ) as it (project_id)`.execute(db)
  return rows.map((it) => it.project_id)
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

/** An account; with a project, only that one. */
interface Owner {
  accountId: string
  projectId?: string | null
}

const owned = ({ accountId, projectId = null }: Owner) =>
  sql`account_id = ${accountId} and project_id = coalesce(${projectId}, project_id)`

/** Usage of an account since a time, as `read` answers it for one project. */
export async function readAccount(
  db: Db,
  of: Owner,
  per: 'minute' | 'hour' | 'day',
  since: Date,
): Promise<(Usage & { at: Date })[]> {
  const { rows } = await sql<SummedRow & { at: Date }>`
    select date_trunc(${per}, minute, 'UTC') as at, ${sums} from usage_minute join project using (project_id)
    where ${owned(of)} and minute >= date_trunc(${per}, ${since}::timestamptz, 'UTC')
    group by 1 order by 1`.execute(db)
  return rows.map((row) => ({ at: row.at, ...toUsage(row) }))
}

/** Usage of each of an account's projects that used something since a time. */
export async function ofAccount(
  db: Db,
  of: Owner,
  since: Date,
): Promise<(Usage & { projectId: string })[]> {
  const { rows } = await sql<SummedRow & { project_id: string }>`
    select project_id, ${sums} from usage_minute join project using (project_id)
    where ${owned(of)} and minute >= ${since} group by 1 order by 1`.execute(db)
  return rows.map((row) => ({ projectId: row.project_id, ...toUsage(row) }))
}

/** What all of an account's projects used since a time, together; without latencies. */
export async function totalOf(db: Db, accountId: string, since: Date): Promise<Usage> {
  const { rows } = await sql<Omit<SummedRow, 'latencies'>>`
    select ${counters} from usage_minute join project using (project_id)
    where account_id = ${accountId} and minute >= ${since}`.execute(db)
  return toUsage({ ...(rows[0] as Omit<SummedRow, 'latencies'>), latencies: [] })
}

/**
 * Adds minutes that are older than `minutesSince` up into the first minute of their hour, and forgets hours older than
 * `hoursSince`. Both are whole hours.
 */
export async function roll(db: Db, minutesSince: Date, hoursSince: Date): Promise<void> {
  await sql`delete from usage_minute where minute < ${hoursSince}`.execute(db)
  await sql`
    with old as (
      delete from usage_minute where minute < ${minutesSince} and minute <> date_trunc('hour', minute, 'UTC')
      returning *
    ), hours as (
      select project_id, date_trunc('hour', minute, 'UTC') as hour, ${sums} from old group by 1, 2
    )
    insert into usage_minute as had (project_id, minute, requests, errors, cpu_us, rows_read, rows_written,
      egress_requests, egress_bytes, latency)
    select project_id, hour, requests, errors, cpu_us, rows_read, rows_written, egress_requests, egress_bytes,
      coalesce((select array_agg(count order by step) from (
        select step, sum(count::int)::int as count
        from unnest(latencies) as text, unnest(string_to_array(text, ',')) with ordinality as it (count, step)
        group by step) summed), '{}')
    from hours
    order by project_id, hour
    on conflict (project_id, minute) do update set
      requests = had.requests + excluded.requests,
      errors = had.errors + excluded.errors,
      cpu_us = had.cpu_us + excluded.cpu_us,
      rows_read = had.rows_read + excluded.rows_read,
      rows_written = had.rows_written + excluded.rows_written,
      egress_requests = had.egress_requests + excluded.egress_requests,
      egress_bytes = had.egress_bytes + excluded.egress_bytes,
      latency = usage_latency(had.latency, excluded.latency)`.execute(db)
  await sql`delete from meter_batch where at < ${minutesSince}`.execute(db)
  await sql`delete from strike where at < ${minutesSince}`.execute(db)
}

const counters = sql`
  coalesce(sum(requests), 0)::bigint as requests, coalesce(sum(errors), 0)::bigint as errors,
  coalesce(sum(cpu_us), 0)::bigint as cpu_us, coalesce(sum(rows_read), 0)::bigint as rows_read,
  coalesce(sum(rows_written), 0)::bigint as rows_written,
  coalesce(sum(egress_requests), 0)::bigint as egress_requests,
  coalesce(sum(egress_bytes), 0)::bigint as egress_bytes`

const sums = sql`${counters}, array_agg(array_to_string(latency, ',')) as latencies`

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
