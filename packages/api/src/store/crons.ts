import { sql } from 'kysely'
import type { Cron } from '../Cron.ts'
import type { Db } from './database.ts'

/** The schedule of a project, in the order of its expressions. */
export async function list(db: Db, projectId: string): Promise<Cron[]> {
  const rows = await db
    .selectFrom('cron')
    .selectAll()
    .where('project_id', '=', projectId)
    .orderBy('expression')
    .execute()
  return rows.map((row) => ({
    projectId: row.project_id,
    expression: row.expression,
    nextAt: row.next_at,
    lastAt: row.last_at,
    lastOutcome: row.last_outcome,
  }))
}

/** Puts a schedule in the place of the project's last one. What is in both goes on as it was. */
export async function replace(
  db: Db,
  projectId: string,
  crons: { expression: string; nextAt: Date | null }[],
): Promise<void> {
  const expressions = crons.map((it) => it.expression)
  await sql`
    delete from cron where project_id = ${projectId} and expression <> all(${expressions}::text[])`.execute(
    db,
  )
  await sql`
    insert into cron (project_id, expression, next_at)
    select ${projectId}, it.expression, it.next_at from unnest(
      ${expressions}::text[], ${crons.map((it) => it.nextAt)}::timestamptz[]
    ) as it (expression, next_at)
    on conflict do nothing`.execute(db)
}

export interface DueCron {
  projectId: string
  expression: string
  nextAt: Date
  /** The run before is still going. */
  running: boolean
}

/**
 * What is due, kept from everybody else until the transaction ends: of each account the longest overdue, as many as it
 * may run beside those that run already; one of each before a second of any.
 *
 * @param leaseMs how long after it was last said a run is believed to go on
 */
export async function lockDue(
  db: Db,
  now: Date,
  { limit, perAccount, leaseMs }: { limit: number; perAccount: number; leaseMs: number },
): Promise<DueCron[]> {
  const until = new Date(now.getTime() + leaseMs)
  const { rows } = await sql<DueCron>`
    with busy as (
      select account_id, count(*) as running from cron join project using (project_id)
      where running_until > ${now} and running_until <= ${until} group by account_id
    ), due as (
      select project_id, expression, next_at,
        row_number() over (partition by account_id order by next_at) + coalesce(running, 0) as place
      from cron join project using (project_id) left join busy using (account_id)
      where next_at <= ${now}
    )
    select project_id as "projectId", expression, next_at as "nextAt",
      coalesce(running_until > ${now} and running_until <= ${until}, false) as running
    from cron where next_at <= ${now} and (project_id, expression) in (
      select project_id, expression from due where place <= ${perAccount}
      order by place, next_at limit ${limit}
    ) for update skip locked`.execute(db)
  return rows
}

/** Moves each to its next time. `running` begins a run: its due time is never claimed again. */
export async function advance(
  db: Db,
  crons: { projectId: string; expression: string; nextAt: Date | null; running: boolean }[],
  runningUntil: Date,
): Promise<void> {
  await sql`
    update cron set next_at = it.next_at,
      running_until = case when it.running then ${runningUntil} else running_until end
    from unnest(
      ${crons.map((it) => it.projectId)}::text[],
      ${crons.map((it) => it.expression)}::text[],
      ${crons.map((it) => it.nextAt)}::timestamptz[],
      ${crons.map((it) => it.running)}::boolean[]
    ) as it (project_id, expression, next_at, running)
    where cron.project_id = it.project_id and cron.expression = it.expression`.execute(db)
}

type CronName = Pick<Cron, 'projectId' | 'expression'>

/** Says that a run still goes on. */
export async function stillRunning(
  db: Db,
  { projectId, expression }: CronName,
  until: Date,
): Promise<void> {
  await db
    .updateTable('cron')
    .set({ running_until: until })
    .where('project_id', '=', projectId)
    .where('expression', '=', expression)
    .execute()
}

/** Ends a run. */
export async function finish(
  db: Db,
  { projectId, expression }: CronName,
  last: { at: Date; outcome: string },
): Promise<void> {
  await db
    .updateTable('cron')
    .set({ running_until: null, last_at: last.at, last_outcome: last.outcome })
    .where('project_id', '=', projectId)
    .where('expression', '=', expression)
    .execute()
}
