import { sql } from 'kysely'
import type { Evidence, Strike, SuspensionCode } from '../Suspension.ts'
import type { Db } from './database.ts'

/** Suspends a project, unless it is not active. Every replica hears of it. */
export async function suspend(
  db: Db,
  projectId: string,
  it: { code: SuspensionCode; evidence: Evidence; now: Date },
): Promise<boolean> {
  const { rows } = await sql`
    select project_suspend(array[${projectId}], ${it.code}, array[${JSON.stringify(it.evidence)}::jsonb], ${it.now})`.execute(
    db,
  )
  return rows.length > 0
}

/**
 * Resumes whatever was suspended for a balance that there is now, or a budget that is not used up any more: of one
 * project, of an account, or all there are. Answers the projects; other replicas hear of them.
 */
export async function resume(
  db: Db,
  now: Date,
  of: { projectId?: string; accountId?: string } = {},
): Promise<{ projectId: string; label: string; name: string }[]> {
  const { rows } = await sql<{ project_id: string; label: string; name: string }>`
    with resumed as (
      update project set status = 'active', suspension = null, suspended_at = null, evidence = null,
        updated_at = ${now}
      where project_id in (
        select p.project_id from project p left join runtime r using (project_id),
          lateral runtime_over(p, r, (${now}::timestamptz at time zone 'UTC')::date) over_budget
        where p.status = 'suspended'
          and p.project_id = coalesce(${of.projectId ?? null}, p.project_id)
          and p.account_id = coalesce(${of.accountId ?? null}, p.account_id)
          and (
            p.suspension = 'budget' and not (over_total or over_daily)
            or p.suspension = 'balance' and exists (
              select from ledger_account a where a.account_id = p.account_id and a.available_micro_usd * 1000 > (
                select coalesce(sum(o.pending_nano_usd), 0) from runtime o where o.account_id = p.account_id)))
        order by p.project_id for update of p)
      returning project_id, label, name
    )
    select project_id, label, name, pg_notify('project_changed', label) from resumed`.execute(db)
  return rows.map((it) => ({ projectId: it.project_id, label: it.label, name: it.name }))
}

/** Notes a strike, of which a project has one at a time; answers all of the project since a moment, oldest first, this one included. */
export async function strike(
  db: Db,
  projectId: string,
  it: Strike,
  since: Date,
): Promise<Strike[]> {
  await sql`
    insert into strike (project_id, deployment_id, at, reason, detail, cpu_ms, memory_bytes)
    select project_id, ${it.deploymentId}, ${it.at}, ${it.reason}, ${it.detail}, ${it.cpuMs}, ${it.memoryBytes}
    from project where project_id = ${projectId}
    on conflict do nothing`.execute(db)
  const { rows } = await sql<{
    deployment_id: string
    at: Date
    reason: Strike['reason']
    detail: string
    cpu_ms: number | null
    memory_bytes: bigint | null
  }>`select * from strike where project_id = ${projectId} and at > ${since} order by at, strike_id`.execute(
    db,
  )
  return rows.map((row) => ({
    deploymentId: row.deployment_id,
    at: row.at.toISOString(),
    reason: row.reason,
    detail: row.detail,
    cpuMs: row.cpu_ms,
    memoryBytes: row.memory_bytes === null ? null : Number(row.memory_bytes),
  }))
}

/** A project that goes on anew goes on without its strikes. */
export async function forgetStrikes(db: Db, projectId: string): Promise<void> {
  await sql`delete from strike where project_id = ${projectId}`.execute(db)
}
