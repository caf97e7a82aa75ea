import { type Selectable, sql } from 'kysely'
import type { Charge, ChargeState } from '../Charge.ts'
import type { BookedCharge } from '../Reconciliation.ts'
import type { Hex } from '../Session.ts'
import type { Db } from './database.ts'
import type { ChargeTable } from './schema.ts'

/*
 * One-off charges, by challenge. A charge pays for one piece of work, which holds it from before it begins. After work
 * that was not delivered it can be held by other work, and what was paid by then is in the balance.
 */

export interface KnownCharge {
  challengeId: string
  accountId: string
  creditAccountId: string
  payer: Hex
  amountMicroUsd: bigint
  txHash: Hex
  credential: string
  scope: string
  state: ChargeState
  createdAt: Date
}

/** Takes a charge for a piece of work. Answers its state, or null when other work has it, done or not. */
export async function take(
  db: Db,
  charge: Charge,
  it: {
    workId: string
    accountId: string
    creditAccountId: string
    /** Under which the work was asked for. */
    key?: string | undefined
  },
  now: Date,
): Promise<ChargeState | null> {
  const { rows } = await sql<{ state: ChargeState }>`
    insert into charge as had (challenge_id, tx_hash, account_id, credit_account_id, work_id, amount_micro_usd, scope,
      credential, key, state, created_at)
    values (${charge.challengeId}, ${charge.txHash}, ${it.accountId}, ${it.creditAccountId}, ${it.workId},
      ${charge.amountMicroUsd}, ${charge.scope}, ${charge.credential}, ${it.key ?? null},
      'authorized', ${now})
    on conflict (challenge_id) do update set work_id = excluded.work_id
      where had.credential = excluded.credential and had.credit_account_id = excluded.credit_account_id
        and (had.work_id is null or had.work_id = excluded.work_id or exists (select from ledger_reservation r
          where r.reservation_id = had.work_id and r.captured_micro_usd = 0))
    returning state`.execute(db)
  return rows[0]?.state ?? null
}

/** The work that has a charge came to nothing: other work may have it. What it paid for stays its own. */
export async function leave(db: Db, workId: string): Promise<void> {
  await db
    .updateTable('charge')
    .set({ work_id: null })
    .where('work_id', '=', workId)
    .where(isUndone)
    .execute()
}

/** The same for all. Only for a process that has the database to itself, before it takes requests. */
export async function leaveAll(db: Db): Promise<void> {
  await db
    .updateTable('charge')
    .set({ work_id: null })
    .where('work_id', 'is not', null)
    .where(isUndone)
    .execute()
}

/** What adds to a balance is done when it is paid, and other work when it is captured. */
const isUndone = sql<boolean>`(state <> 'paid' or work_id not like 'add:%' and not exists (
  select from ledger_reservation r where r.reservation_id = charge.work_id and r.captured_micro_usd > 0))`

/**
 * From here on nobody else sends it. `sent` when this work's charge was sent before, and null when other work has it.
 */
export async function beginSending(
  db: Db,
  challengeId: string,
  workId: string,
): Promise<'begun' | 'sent' | null> {
  const { numUpdatedRows } = await db
    .updateTable('charge')
    .set({ state: 'broadcasting' })
    .where('challenge_id', '=', challengeId)
    .where('work_id', '=', workId)
    .where('state', '=', 'authorized')
    .executeTakeFirst()
  if (numUpdatedRows > 0n) return 'begun'
  const known = await db
    .selectFrom('charge')
    .select('work_id')
    .where('challenge_id', '=', challengeId)
    .executeTakeFirst()
  return known?.work_id === workId ? 'sent' : null
}

/** The chain did not get it after all. */
export async function notSent(db: Db, challengeId: string): Promise<void> {
  await db
    .updateTable('charge')
    .set({ state: 'authorized' })
    .where('challenge_id', '=', challengeId)
    .where('state', '=', 'broadcasting')
    .execute()
}

/** What became of it on chain. Once it is paid or failed it stays so: then false. */
export async function settled(
  db: Db,
  challengeId: string,
  state: 'paid' | 'failed',
  now: Date,
  txHash?: Hex,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('charge')
    .set({ state, settled_at: now, ...(txHash && { tx_hash: txHash }) })
    .where('challenge_id', '=', challengeId)
    .where('state', 'in', ['authorized', 'broadcasting'])
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Charges of which nobody knows what became, oldest first. */
export async function unsettled(db: Db, before: Date): Promise<KnownCharge[]> {
  const rows = await known(db)
    .where('state', 'in', ['authorized', 'broadcasting'])
    .where('charge.created_at', '<', before)
    .orderBy('charge.created_at')
    .limit(500)
    .execute()
  return rows.map(toKnown)
}

/** Other charges that were sent for what was asked under a key, those that are surely paid first. */
export async function sentFor(
  db: Db,
  accountId: string,
  key: string,
  { challengeId, scope, amountMicroUsd }: Charge,
  since: Date,
): Promise<KnownCharge[]> {
  const rows = await known(db)
    .where('charge.account_id', '=', accountId)
    .where('key', '=', key)
    .where('challenge_id', '<>', challengeId)
    .where('scope', '=', scope)
    .where('amount_micro_usd', '=', amountMicroUsd)
    .where('state', 'in', ['broadcasting', 'paid'])
    .where('charge.created_at', '>', since)
    .orderBy('state', 'desc')
    .execute()
  return rows.map(toKnown)
}

/** What is known of a charge, or undefined. */
export async function stateOf(db: Db, challengeId: string): Promise<ChargeState | undefined> {
  const row = await db
    .selectFrom('charge')
    .select('state')
    .where('challenge_id', '=', challengeId)
    .executeTakeFirst()
  return row?.state
}

const known = (db: Db) =>
  db
    .selectFrom('charge')
    .innerJoin('account', 'account.account_id', 'charge.account_id')
    .selectAll('charge')
    .select('account.address')

const toKnown = (row: Selectable<ChargeTable> & { address: string | null }): KnownCharge => ({
  challengeId: row.challenge_id,
  accountId: row.account_id,
  creditAccountId: row.credit_account_id,
  payer: row.address as Hex,
  amountMicroUsd: row.amount_micro_usd,
  txHash: row.tx_hash as Hex,
  credential: row.credential,
  scope: row.scope,
  state: row.state,
  createdAt: row.created_at,
})

/** Every charge that there ever was, for reconciliation. */
export async function booked(db: Db): Promise<BookedCharge[]> {
  const rows = await db
    .selectFrom('charge')
    .leftJoin('ledger_transfer', (join) =>
      join
        .on('transfer_id', '=', sql<string>`'charge:' || challenge_id`)
        .onRef('ledger_transfer.amount_micro_usd', '=', 'charge.amount_micro_usd'),
    )
    .select(['challenge_id', 'tx_hash', 'charge.amount_micro_usd', 'state', 'transfer_id'])
    .select('charge.created_at')
    .execute()
  return rows.map((row) => ({
    challengeId: row.challenge_id,
    txHash: row.tx_hash as Hex,
    amountMicroUsd: row.amount_micro_usd,
    state: row.state,
    isCredited: row.transfer_id !== null,
    createdAt: row.created_at,
  }))
}
