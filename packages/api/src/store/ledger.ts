import { sql } from 'kysely'
import { JackError } from '../Errors.ts'
import {
  type Balance,
  type ChargeKind,
  type DepositKind,
  dailyCapExceeded,
  insufficientBalance,
  type Settlement,
} from '../Ledger.ts'
import type { Db } from './database.ts'

/*
 * Money moves here and nowhere else, by the functions of `migrations/0002-ledger.ts`: one round trip each.
 *
 * Every step has an id that the caller chooses, and happens once however often it is sent: after a lost connection,
 * send it again with the same id. The same id with another amount, account or kind throws `idempotency_conflict`.
 * In a transaction of the caller's the account's row stays locked until the end, so let the ledger come last.
 */

/** Makes the account's empty balance, unless there is one. */
export async function createLedgerAccount(db: Db, accountId: string): Promise<void> {
  await sql`insert into ledger_account (account_id) values (${accountId}) on conflict do nothing`.execute(
    db,
  )
}

/** What money moves for. */
interface Purpose {
  kind: ChargeKind
  /** The execution or deployment. */
  ref?: string | null
  projectId?: string | null
}

/** A token that spends, and how much it may spend on one UTC day; null is no cap. */
interface SpendingToken {
  tokenId: string
  dailyCapMicroUsd: bigint | null
}

export interface Spending extends Purpose {
  id: string
  accountId: string
  amountMicroUsd: bigint
  token?: SpendingToken | null
}

/**
 * Sets money aside for work whose success or price is not known yet. End it with `capture` or `release`.
 * Throws `insufficient_balance`, or `budget_exceeded` when the token's daily cap forbids it.
 */
export async function reserve(
  db: Db,
  it: Spending,
): Promise<{ replayed: boolean; availableMicroUsd: bigint }> {
  const row = await call(
    db,
    sql`ledger_reserve(
    ${it.id}, ${it.accountId}, ${positive(it.amountMicroUsd)}, ${it.kind}, ${it.ref ?? null},
    ${it.projectId ?? null}, ${it.token?.tokenId ?? null}, ${it.token?.dailyCapMicroUsd ?? null})`,
  )
  return { replayed: happened(row, it), availableMicroUsd: row.available }
}

export interface Capture {
  id: string
  /** At most what was reserved, which is also the default; the rest is available again. */
  amountMicroUsd?: bigint
  /** When they were not known yet. */
  ref?: string
  projectId?: string
}

/** Takes what was reserved. Throws `conflict` when the reservation was released or captured otherwise. */
export async function capture(db: Db, it: Capture): Promise<Settlement> {
  const settlement = await settle(db, it.id, it.amountMicroUsd ?? null, it)
  const wanted = it.amountMicroUsd ?? settlement.reservedMicroUsd
  if (settlement.capturedMicroUsd !== wanted)
    throw new JackError('conflict', `The reservation ${it.id} was settled otherwise before.`)
  return settlement
}

/** Takes many reservations, each in full. What was released or captured before stays as it is. */
export async function captureAll(db: Db, ids: readonly string[]): Promise<void> {
  await sql`select ledger_capture(${ids}::text[])`.execute(db)
}

/**
 * Gives back what was reserved, unless it was captured: the settlement tells. So it is safe to call after a capture
 * whose answer got lost.
 */
export async function release(db: Db, id: string): Promise<Settlement> {
  return settle(db, id, 0n, {})
}

/**
 * Ends the reservation of work whose answer got lost, should there be one. True when it was captured: the work is
 * paid. Otherwise it is given back, and nobody can capture it any more.
 */
export async function settleLost(db: Db, id: string): Promise<boolean> {
  const row = await call(db, sql`ledger_settle(${id}, 0, null, null)`)
  return row.outcome !== 'unknown' && row.captured > 0n
}

/**
 * Ends the reservations that a crash left open, by the database's clock: work whose answer is kept for whoever asks again
 * is captured, everything else is given back. `ageMs` must be longer than any work can take. Returns their ids.
 */
export async function settleAbandoned(db: Db, ageMs: number): Promise<string[]> {
  const { rows: open } = await sql<{ id: string; answered: boolean }>`
    select reservation_id as id, exists (
      select from idempotency i
      where i.account_id = r.account_id and i.work_id = r.reservation_id and i.status is not null
    ) as answered
    from ledger_reservation r
    where settled_at is null and created_at < now() - ${ageMs} * interval '1 millisecond'
    order by created_at limit 1000`.execute(db)
  const settled: string[] = []
  for (const { id, answered } of open) {
    const { replayed } = await settle(db, id, answered ? null : 0n, {})
    if (!replayed) settled.push(id)
  }
  return settled
}

export interface Charge extends Spending {
  /** Take what there is when there is not enough, for what was delivered already. */
  partial?: boolean
}

/** Reserve and capture in one step. Errors as `reserve`; with `partial` it never lacks balance. */
export async function charge(
  db: Db,
  it: Charge,
): Promise<{ chargedMicroUsd: bigint; availableMicroUsd: bigint; replayed: boolean }> {
  const row = await call(
    db,
    sql`ledger_charge(
    ${it.id}, ${it.accountId}, ${positive(it.amountMicroUsd)}, ${it.partial ?? false}, 'revenue', ${it.kind},
    ${it.ref ?? null}, ${it.projectId ?? null}, ${it.token?.tokenId ?? null},
    ${it.token?.dailyCapMicroUsd ?? null})`,
  )
  const replayed = happened(row, it)
  return { chargedMicroUsd: row.charged, availableMicroUsd: row.available, replayed }
}

export interface Deposit {
  id: string
  accountId: string
  amountMicroUsd: bigint
  /** `grant` by default: given by the operator. `fund` is paid. */
  kind?: DepositKind
  ref?: string | null
  /** The project it was meant for. */
  projectId?: string | null
}

/** Adds to a balance. */
export async function grant(
  db: Db,
  it: Deposit,
): Promise<{ availableMicroUsd: bigint; replayed: boolean }> {
  const kind = it.kind ?? 'grant'
  const source = kind === 'grant' ? 'granted' : 'external'
  const row = await call(
    db,
    sql`ledger_deposit(
    ${it.id}, ${it.accountId}, ${positive(it.amountMicroUsd)}, ${source}, ${kind}, ${it.ref ?? null},
    ${it.projectId ?? null}, null)`,
  )
  const replayed = happened(row, it)
  return { availableMicroUsd: row.available, replayed }
}

export interface Withdrawal {
  id: string
  accountId: string
  amountMicroUsd: bigint
  ref?: string | null
}

/** Pays money out to whom it belongs. Throws `insufficient_balance`. */
export async function withdraw(
  db: Db,
  it: Withdrawal,
): Promise<{ availableMicroUsd: bigint; replayed: boolean }> {
  const row = await call(
    db,
    sql`ledger_charge(
    ${it.id}, ${it.accountId}, ${positive(it.amountMicroUsd)}, false, 'external', 'withdrawal',
    ${it.ref ?? null}, null, null, null)`,
  )
  const replayed = happened(row, it)
  return { availableMicroUsd: row.available, replayed }
}

export interface Refund {
  id: string
  /** Id of the charge, or of the captured reservation. */
  chargeId: string
  /** All of it by default. */
  amountMicroUsd?: bigint
}

/** Gives back a charge or a part of it. Throws `conflict` when that were more than is left of it. */
export async function refund(
  db: Db,
  it: Refund,
): Promise<{ refundedMicroUsd: bigint; availableMicroUsd: bigint; replayed: boolean }> {
  const amount = it.amountMicroUsd === undefined ? null : positive(it.amountMicroUsd)
  const row = await call(db, sql`ledger_refund(${it.id}, ${it.chargeId}, ${amount})`)
  if (row.outcome === 'unknown') throw new Error(`There is no charge ${it.chargeId}.`)
  if (row.outcome === 'too_much')
    throw new JackError('conflict', `The charge ${it.chargeId} was refunded already.`)
  const replayed = happened(row, { id: it.id })
  return { refundedMicroUsd: row.refunded, availableMicroUsd: row.available, replayed }
}

/** An account without a ledger account has nothing. */
export async function balanceOf(db: Db, accountId: string): Promise<Balance> {
  const row = await db
    .selectFrom('ledger_account')
    .select(['available_micro_usd', 'held_micro_usd'])
    .where('account_id', '=', accountId)
    .executeTakeFirst()
  return {
    availableMicroUsd: row?.available_micro_usd ?? 0n,
    heldMicroUsd: row?.held_micro_usd ?? 0n,
  }
}

/** Notes what a transfer is made of, beyond its amount, in the words of the wire: its receipt says so. */
export async function explain(db: Db, transferId: string, detail: object): Promise<void> {
  await sql`insert into ledger_detail values (${transferId}, ${JSON.stringify(detail)}::jsonb)`.execute(
    db,
  )
}

/** What an account, or a project, was charged since a moment, less refunds. */
export async function spentSince(
  db: Db,
  of: { accountId: string } | { projectId: string },
  since: Date,
): Promise<bigint> {
  const { rows } = await sql<{ spent: bigint }>`
    select coalesce(sum(case when credit = 'revenue' then amount_micro_usd else -amount_micro_usd end), 0)::bigint
      as spent
    from ledger_transfer
    where ${'accountId' in of ? sql`account_id = ${of.accountId}` : sql`project_id = ${of.projectId}`}
      and ${isEntry} and 'revenue' in (debit, credit) and created_at >= ${since}`.execute(db)
  return rows[0]?.spent ?? 0n
}

/** What a token has spent or reserved today, in UTC. */
export async function spentToday(db: Db, tokenId: string): Promise<bigint> {
  const { rows } = await sql<{ spent: bigint }>`
    select spent_micro_usd as spent from ledger_token_day
    where token_id = ${tokenId} and day = (now() at time zone 'UTC')::date`.execute(db)
  return rows[0]?.spent ?? 0n
}

/** Also the words of the partial indexes. */
const isEntry = sql<boolean>`kind not in ('reserve', 'release')`

interface Row {
  outcome: string
  available: bigint
  reserved: bigint
  captured: bigint
  charged: bigint
  refunded: bigint
}

async function call(db: Db, step: ReturnType<typeof sql>): Promise<Row> {
  try {
    const { rows } = await sql<Row>`select * from ${step}`.execute(db)
    return rows[0] as Row
  } catch (error) {
    // Only another account's row could be locked at the same moment: the id is in use there.
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error
    return { outcome: 'mismatch' } as Row
  }
}

const UNIQUE_VIOLATION = '23505'

async function settle(
  db: Db,
  id: string,
  captured: bigint | null,
  known: { ref?: string; projectId?: string },
): Promise<Settlement> {
  if (captured !== null && captured < 0n) throw new RangeError(`cannot capture ${captured}`)
  const row = await call(
    db,
    sql`ledger_settle(${id}, ${captured}, ${known.ref ?? null}, ${known.projectId ?? null})`,
  )
  if (row.outcome === 'unknown') throw new Error(`There is no reservation ${id}.`)
  if (row.outcome === 'mismatch') throw idConflict(id)
  if (row.outcome === 'too_much')
    throw new RangeError(`cannot capture ${captured} of ${row.reserved} reserved as ${id}`)
  return {
    reservedMicroUsd: row.reserved,
    capturedMicroUsd: row.captured,
    availableMicroUsd: row.available,
    replayed: row.outcome === 'replayed',
  }
}

/** Whether a step happened before, given that it has happened; throws why it has not. */
function happened(
  row: Row,
  it: { id: string; amountMicroUsd?: bigint; token?: SpendingToken | null },
): boolean {
  const amount = it.amountMicroUsd ?? 0n
  switch (row.outcome) {
    case 'done':
      return false
    case 'replayed':
      return true
    case 'insufficient':
      throw insufficientBalance(row.available, amount)
    case 'over_cap':
      throw dailyCapExceeded(it.token?.dailyCapMicroUsd ?? 0n, amount)
    case 'mismatch':
      throw idConflict(it.id)
    default:
      throw new Error(`The ledger answered ${row.outcome} to ${it.id}.`)
  }
}

const idConflict = (id: string) =>
  new JackError('idempotency_conflict', `The id ${id} was used for another payment.`)

function positive(microUsd: bigint): bigint {
  if (microUsd <= 0n) throw new RangeError(`not a positive amount: ${microUsd}`)
  return microUsd
}
