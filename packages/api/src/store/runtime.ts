import { toUsd } from '@jackcloud/sdk/wire'
import { sql } from 'kysely'
import type { Db } from './database.ts'
import { explain } from './ledger.ts'

/** How a project stands with its runtime. */
export interface Runtime {
  includedMicroUsd: bigint
  includedUsedNanoUsd: bigint
  /** Used, not charged yet. */
  pendingNanoUsd: bigint
  /** Beyond what is included: charged and pending. */
  spentNanoUsd: bigint
  spentTodayNanoUsd: bigint
}

/** @param day in UTC, of what was spent today */
export async function read(db: Db, projectId: string, now: Date): Promise<Runtime> {
  const { rows } = await sql<{
    included: bigint
    used: bigint
    pending: bigint
    spent: bigint
    today: bigint
  }>`
    select included_micro_usd as included, coalesce(included_used_nano_usd, 0)::bigint as used,
      coalesce(pending_nano_usd, 0)::bigint as pending, coalesce(spent_nano_usd, 0)::bigint as spent,
      (case when day = (${now}::timestamptz at time zone 'UTC')::date then day_nano_usd else 0 end)::bigint as today
    from project left join runtime using (project_id) where project_id = ${projectId}`.execute(db)
  const row = rows[0]
  return {
    includedMicroUsd: row?.included ?? 0n,
    includedUsedNanoUsd: row?.used ?? 0n,
    pendingNanoUsd: row?.pending ?? 0n,
    spentNanoUsd: row?.spent ?? 0n,
    spentTodayNanoUsd: row?.today ?? 0n,
  }
}

/** What an account's projects used and nobody charged yet. */
export async function pendingOf(db: Db, accountId: string): Promise<bigint> {
  const { rows } = await sql<{ pending: bigint }>`
    select coalesce(sum(pending_nano_usd), 0)::bigint as pending from runtime where account_id = ${accountId}`.execute(
    db,
  )
  return rows[0]?.pending ?? 0n
}

/** Adds runtime that a deploy brings along, and has its receipt say so. */
export async function include(
  db: Db,
  projectId: string,
  microUsd: bigint,
  deploymentId: string,
): Promise<void> {
  await sql`
    update project set included_micro_usd = included_micro_usd + ${microUsd} where project_id = ${projectId}`.execute(
    db,
  )
  await explain(db, deploymentId, { included_usd: toUsd(microUsd) })
}

/**
 * Charges what is pending, in whole micro-USD, as far as there is balance. Answers how many projects that were, at most
 * a thousand: then there may be more.
 *
 * @param id of this step, another one each time
 * @param it.before leaves out projects that were charged since then
 */
export async function chargeDue(
  db: Db,
  id: string,
  it: { now: Date; before?: Date; projectId?: string },
): Promise<number> {
  const { rows } = await sql<{ project_id: string }>`
    select project_id from runtime join ledger_account using (account_id)
    where pending_nano_usd >= 1000 and available_micro_usd > 0
      and (charged_at is null or charged_at <= ${it.before ?? it.now})
      and project_id = coalesce(${it.projectId ?? null}, project_id)
    order by charged_at nulls first limit 1000`.execute(db)
  const due = rows.map((row) => row.project_id)
  if (due.length > 0) await sql`select runtime_charge(${id}, ${due}::text[], ${it.now})`.execute(db)
  return due.length
}
