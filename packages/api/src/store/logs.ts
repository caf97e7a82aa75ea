import { type SqlBool, sql } from 'kysely'
import type { LogLevel } from '../engine/Engine.ts'
import type { Db } from './database.ts'

/** Ascending severity; `log` and `info` are of one rank to people, but stay what they were. */
const levels: readonly LogLevel[] = ['debug', 'log', 'info', 'warn', 'error']

export interface NewLogLine {
  projectId: string
  deploymentId: string | null
  at: Date
  level: LogLevel
  message: string
}

export interface StoredLogLine extends NewLogLine {
  id: bigint
}

/** Stores lines in one statement. Lines of projects that are gone meanwhile are dropped. */
export async function append(db: Db, lines: readonly NewLogLine[]): Promise<void> {
  if (lines.length === 0) return
  await sql`
    insert into log_line (project_id, deployment_id, at, level, message)
    select it.project_id, it.deployment_id, it.at, it.level, it.message from unnest(
      ${lines.map((line) => line.projectId)}::text[],
      ${lines.map((line) => line.deploymentId)}::text[],
      ${lines.map((line) => line.at)}::timestamptz[],
      ${lines.map((line) => levels.indexOf(line.level))}::smallint[],
      ${lines.map((line) => line.message.replaceAll('\0', '\u{fffd}'))}::text[]
    ) with ordinality as it (project_id, deployment_id, at, level, message, n)
    where exists (select from project where project.project_id = it.project_id)
    order by it.n`.execute(db)
}

export interface LogFilter {
  /** Only lines after this id; with it the page reads on, without it the page holds the latest lines. */
  after?: bigint | undefined
  since?: Date | undefined
  until?: Date | undefined
  minLevel?: LogLevel | undefined
  query?: string | undefined
  deploymentId?: string | undefined
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
  }))
  return forward ? lines : lines.reverse()
}

/** Forgets lines older than `before`, and what a project has beyond its latest `keep` lines. Answers how many. */
export async function trim(db: Db, before: Date, keep: number): Promise<bigint> {
  const old = await db.deleteFrom('log_line').where('at', '<', before).executeTakeFirst()
  const excess = await sql`
    delete from log_line using (
      select project_id, line_id from (
        select project_id, line_id, row_number() over (partition by project_id order by line_id desc) as n
        from log_line) ranked where n = ${keep}) last
    where log_line.project_id = last.project_id and log_line.line_id < last.line_id`.execute(db)
  return old.numDeletedRows + (excess.numAffectedRows ?? 0n)
}
