import { type SqlBool, sql } from 'kysely'
import type { LineKind, LogLevel } from '../engine/Engine.ts'
import type { Db } from './database.ts'

/** Ascending severity; `log` and `info` are of one rank to people, but stay what they were. */
const levels: readonly LogLevel[] = ['debug', 'log', 'info', 'warn', 'error']

export interface NewLogLine {
  projectId: string
  deploymentId: string | null
  at: Date
  level: LogLevel
  message: string
  requestId?: string | null
  /** Default: a notice of Jack's. */
  kind?: LineKind
}

export interface StoredLogLine extends Required<NewLogLine> {
  id: bigint
}

/**
 * Stores lines in one statement. Lines of projects that are gone meanwhile are dropped. Whoever writes to a project's
 * log holds the row of its extent until he is done: so ids of one project become visible in their order, and who reads
 * on after an id misses nothing.
 */
export async function append(db: Db, lines: readonly NewLogLine[]): Promise<void> {
  if (lines.length === 0) return
  await sql`
    with line as materialized (
      select * from unnest(
        ${lines.map((line) => line.projectId)}::text[],
        ${lines.map((line) => line.deploymentId)}::text[],
        ${lines.map((line) => line.at)}::timestamptz[],
        ${lines.map((line) => levels.indexOf(line.level))}::smallint[],
        ${lines.map((line) => storable(line.message))}::text[],
        ${lines.map((line) => line.requestId ?? null)}::text[],
        ${lines.map((line) => line.kind ?? 'notice')}::text[]
      ) with ordinality as it (project_id, deployment_id, at, level, message, request_id, kind, n)
      where exists (select from project where project.project_id = it.project_id)
    ), extent as (
      insert into log_extent as known (project_id, lines, bytes, oldest_at)
      select project_id, count(*), sum(octet_length(message)), min(at) from line
      group by project_id order by project_id
      on conflict (project_id) do update set lines = known.lines + excluded.lines,
        bytes = known.bytes + excluded.bytes, oldest_at = least(known.oldest_at, excluded.oldest_at)
      returning project_id
    )
    insert into log_line (project_id, deployment_id, at, level, message, request_id, kind)
    select project_id, deployment_id, at, level, message, request_id, kind
    from line join extent using (project_id) order by n`.execute(db)
}

/** Postgres keeps neither NUL nor half a surrogate pair. */
const storable = (text: string): string => text.replaceAll('\0', '\u{fffd}').toWellFormed()

export interface LogFilter {
  /** Only lines after this id; with it the page reads on, without it the page holds the latest lines. */
  after?: bigint | undefined
  since?: Date | undefined
  until?: Date | undefined
  minLevel?: LogLevel | undefined
  query?: string | undefined
  deploymentId?: string | undefined
  requestId?: string | undefined
  limit: number
}

/** Lines in the order of their writing. */
export async function read(db: Db, projectId: string, filter: LogFilter): Promise<StoredLogLine[]> {
  const forward = filter.after !== undefined || filter.since !== undefined
  const rows = await db
    .selectFrom('log_line')
    .selectAll()
    .where('project_id', '=', projectId)
    .$if(filter.after !== undefined, (it) => it.where('line_id', '>', filter.after as bigint))
    .$if(filter.since !== undefined, (it) => it.where('at', '>=', filter.since as Date))
    .$if(filter.until !== undefined, (it) => it.where('at', '<', filter.until as Date))
    .$if(filter.deploymentId !== undefined, (it) =>
      it.where('deployment_id', '=', filter.deploymentId as string),
    )
    .$if(filter.requestId !== undefined, (it) =>
      it.where('request_id', '=', filter.requestId as string),
    )
    .$if(filter.minLevel !== undefined, (it) =>
      it.where('level', '>=', levels.indexOf(filter.minLevel as LogLevel)),
    )
    .$if(filter.query !== undefined, (it) =>
      it.where(sql<SqlBool>`position(lower(${filter.query}) in lower(message)) > 0`),
    )
    .orderBy('line_id', forward ? 'asc' : 'desc')
    .limit(filter.limit)
    .execute()
  const lines = rows.map((row) => ({
    id: row.line_id,
    projectId: row.project_id,
    deploymentId: row.deployment_id,
    at: row.at,
    level: levels[row.level] ?? 'log',
    message: row.message,
    requestId: row.request_id,
    kind: row.kind,
  }))
  return forward ? lines : lines.reverse()
}

/** The id of a project's newest line; 0 when there is none. What is written later has a higher one. */
export async function newestId(db: Db, projectId: string): Promise<bigint> {
  const row = await db
    .selectFrom('log_line')
    .select('line_id')
    .where('project_id', '=', projectId)
    .orderBy('line_id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.line_id ?? 0n
}

/** What a project's log may be at most; the oldest lines go first. */
export interface LogBounds {
  ageMs: number
  lines: number
  /** Of text. */
  bytes: number
}

/**
 * Trims the logs that are over their bounds, by a tenth at least: so it looks at few logs, and at none again and again.
 * Lines that it forgets and a crash brings back are forgotten another time.
 */
export async function trim(db: Db, now: Date, bounds: LogBounds): Promise<void> {
  const { ageMs, lines, bytes } = bounds
  const due = await db
    .selectFrom('log_extent')
    .select('project_id')
    .where((it) =>
      it.or([
        it('oldest_at', '<', new Date(now.getTime() - ageMs * 1.1)),
        it('lines', '>', BigInt(Math.floor(lines * 1.1))),
        it('bytes', '>', BigInt(Math.floor(bytes * 1.1))),
      ]),
    )
    .execute()
  for (const { project_id } of due) await trimOne(db, project_id, now, bounds)
}

async function trimOne(
  db: Db,
  projectId: string,
  now: Date,
  { ageMs, lines, bytes }: LogBounds,
): Promise<void> {
  const since = new Date(now.getTime() - ageMs)
  await db.transaction().execute(async (tx) => {
    const known = await tx
      .selectFrom('log_extent')
      .select('project_id')
      .where('project_id', '=', projectId)
      .forUpdate()
      .executeTakeFirst()
    if (!known) return
    await sql`
      delete from log_line where project_id = ${projectId} and line_id <= (
        select max(line_id) from (
          select line_id, at, row_number() over newest as nth, sum(octet_length(message)) over newest as bytes
          from log_line where project_id = ${projectId} window newest as (order by line_id desc)
        ) it where nth > ${lines} or bytes > ${bytes} or at < ${since})`.execute(tx)
    await sql`
      update log_extent set (lines, bytes, oldest_at) = (
        select count(*), coalesce(sum(octet_length(message)), 0), coalesce(min(at), now())
        from log_line where project_id = ${projectId})
      where project_id = ${projectId}`.execute(tx)
  })
}
