import { setTimeout as sleep } from 'node:timers/promises'
import { type Receipt, type Statement, toUsd } from '@jackcloud/sdk/wire'
import { type Selectable, sql } from 'kysely'
import { JackError } from '../Errors.ts'
import type { Entry } from '../Ledger.ts'
import { type Chain, receiptOf } from '../Receipt.ts'
import type { Db } from './database.ts'
import type { ReceiptKey } from './receiptKey.ts'
import type { Schema } from './schema.ts'

/*
 * Entries of the ledger are sealed into the chains of the accounts that they concern: when somebody looks, and now and
 * then. Whoever reads sees everything sealed that was in the ledger at that moment.
 */

/** Entries that one transaction seals at most. */
const atOnce = 500

/** How long somebody who looks waits for others who seal the same chain. */
const patienceMs = 20_000

export interface ReceiptQuery {
  accountId: string
  /** Only those of one project. */
  projectId?: string | null
  order: 'asc' | 'desc'
  limit: number
  /** The `nextCursor` of the page before. */
  cursor?: string | undefined
}

/** A page of an account's receipts. Throws `invalid_request` on a cursor that is none. */
export async function list(
  db: Db,
  key: ReceiptKey,
  it: ReceiptQuery,
): Promise<{ receipts: Receipt[]; nextCursor: string | null }> {
  if (it.cursor !== undefined && !/^\d{1,18}$/.test(it.cursor))
    throw new JackError('invalid_request', 'The cursor is not one of this list.')
  const rows = await whenSealed(db, key, it.accountId, (tx) =>
    tx
      .selectFrom('receipt')
      .select(['position', 'receipt'])
      .where('account_id', '=', it.accountId)
      .$if(it.projectId != null, (q) => q.where('project_id', '=', it.projectId as string))
      .$if(it.cursor !== undefined, (q) =>
        q.where('position', it.order === 'asc' ? '>' : '<', BigInt(it.cursor as string)),
      )
      .orderBy('position', it.order)
      .limit(it.limit + 1)
      .execute(),
  )
  const page = rows.slice(0, it.limit)
  return {
    receipts: page.map((row) => row.receipt),
    nextCursor: rows.length > it.limit ? String(page.at(-1)?.position) : null,
  }
}

/** How an account stands, and the receipt that this is true at. */
export async function standing(
  db: Db,
  key: ReceiptKey,
  accountId: string,
): Promise<Omit<Statement, 'cloud' | 'at' | 'key_id' | 'hash' | 'signature'>> {
  return whenSealed(db, key, accountId, async (tx, chain) => {
    const balance = await tx
      .selectFrom('ledger_account')
      .select(['available_micro_usd as available', 'held_micro_usd as held'])
      .where('account_id', '=', accountId)
      .executeTakeFirst()
    const sessions = await tx
      .selectFrom('session')
      .selectAll()
      .select(
        sql<bigint>`committed_micro_usd - (select coalesce(sum(amount_micro_usd), 0)::bigint from ledger_reservation r
          where r.session_id = session.session_id and r.settled_at is null)`.as('taken'),
      )
      .where('account_id', '=', accountId)
      .where('status', '<>', 'opening')
      .orderBy('session_id')
      .execute()
    return {
      account_id: accountId,
      position: chain.position,
      last_hash: chain.lastHash,
      balance_usd: toUsd(balance?.available ?? 0n),
      held_usd: toUsd(balance?.held ?? 0n),
      sessions: sessions.map(sessionOf),
    }
  })
}

/** Seals what is due for anybody. Answers how many entries that were. */
export async function sealDue(db: Db, key: ReceiptKey, signal: AbortSignal): Promise<number> {
  const due = await db.selectFrom('receipt_due').select('account_id').distinct().execute()
  let sealed = 0
  for (const { account_id } of due) {
    for (let more = true; more && !signal.aborted; ) {
      const step = await sealSome(db, key, account_id, async () => {})
      sealed += step.sealed
      more = step.sealed === atOnce
    }
  }
  return sealed
}

/** Reads at a moment at which everything is sealed. */
async function whenSealed<T>(
  db: Db,
  key: ReceiptKey,
  accountId: string,
  read: (tx: Db, chain: Chain) => Promise<T>,
): Promise<T> {
  for (const began = performance.now(); performance.now() - began < patienceMs; ) {
    const step = await sealSome(db, key, accountId, read)
    if ('read' in step) return step.read
    // Somebody else is at it, and holds up no connection of ours.
    if (step.sealed === 0) await sleep(5 + Math.random() * 10)
  }
  throw new JackError('unavailable', 'The receipts of this account are being made.', {
    hint: 'Try again in a few seconds.',
    retryAfterSeconds: 2,
  })
}

/** Seals what is due, and reads at the same moment, unless there is more or somebody else seals. */
async function sealSome<T>(
  db: Db,
  key: ReceiptKey,
  accountId: string,
  read: (tx: Db, chain: Chain) => Promise<T>,
): Promise<{ sealed: number; read: T } | { sealed: number }> {
  try {
    return await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .execute(async (tx) => {
        const chain = await chainOf(tx, accountId)
        const due = await dueOf(tx, accountId)
        if (due.length === 0) return { sealed: 0, read: await read(tx, chain) }
        if (!(await lock(tx, accountId))) return { sealed: 0 }
        const some = due.slice(0, atOnce)
        const longer = await seal(tx, key, chain, some)
        if (due.length > some.length) return { sealed: some.length }
        return { sealed: some.length, read: await read(tx, longer) }
      })
  } catch (error) {
    // Another one was faster by the time that this one had the lock.
    if ((error as { code?: string }).code === SERIALIZATION_FAILURE) return { sealed: 0 }
    throw error
  }
}

const SERIALIZATION_FAILURE = '40001'

async function chainOf(tx: Db, accountId: string): Promise<Chain> {
  const row = await tx
    .selectFrom('receipt_chain')
    .selectAll()
    .where('account_id', '=', accountId)
    .executeTakeFirst()
  return {
    accountId,
    position: Number(row?.position ?? 0),
    lastHash: row?.last_hash ?? null,
  }
}

const dueOf = (tx: Db, accountId: string) =>
  tx
    .selectFrom('receipt_due')
    .innerJoin('ledger_transfer', 'ledger_transfer.seq', 'receipt_due.seq')
    .leftJoin('ledger_detail', 'ledger_detail.transfer_id', 'ledger_transfer.transfer_id')
    .leftJoin('project', 'project.project_id', 'ledger_transfer.project_id')
    .selectAll('ledger_transfer')
    .select(['ledger_detail.detail', 'project.name as project'])
    .where('receipt_due.account_id', '=', accountId)
    .orderBy('receipt_due.seq')
    .limit(atOnce + 1)
    .execute()

type Due = Awaited<ReturnType<typeof dueOf>>[number]

/** False when somebody else has it. */
async function lock(tx: Db, accountId: string): Promise<boolean> {
  await sql`insert into receipt_chain (account_id) values (${accountId}) on conflict do nothing`.execute(
    tx,
  )
  const { rows } = await sql`
    select from receipt_chain where account_id = ${accountId} for update skip locked`.execute(tx)
  return rows.length > 0
}

/** Appends receipts of entries, in the order in which the ledger made them; answers where the chain ends now. */
async function seal(tx: Db, key: ReceiptKey, chain: Chain, due: Due[]): Promise<Chain> {
  let end = chain
  const hashed = due.map((row) => {
    const it = key.hashed(receiptOf(end, entryOf(row, chain.accountId)))
    end = { ...end, position: it.position, lastHash: it.hash }
    return it
  })
  const receipts = await Promise.all(hashed.map((it) => key.signed(it)))
  await sql`
    insert into receipt select ${chain.accountId}, * from unnest(
      ${receipts.map((it) => it.position)}::bigint[], ${receipts.map((it) => it.receipt_id)}::text[],
      ${receipts.map((it) => it.project_id)}::text[], ${receipts.map((it) => JSON.stringify(it))}::json[])`.execute(
    tx,
  )
  await sql`
    update receipt_chain set position = ${end.position}, last_hash = ${end.lastHash}
    where account_id = ${chain.accountId}`.execute(tx)
  await sql`
    delete from receipt_due
    where account_id = ${chain.accountId} and seq = any(${due.map((it) => it.seq)}::bigint[])`.execute(
    tx,
  )
  return end
}

/** A transfer as one of the accounts that it concerns sees it: its own balance, or only its session. */
function entryOf(row: Due, accountId: string): Entry {
  const ofBalance = row.account_id === accountId && row.balance_after_micro_usd !== null
  const comesIn = row.credit === (ofBalance ? 'available' : 'session')
  return {
    id: row.transfer_id,
    kind: row.kind as Entry['kind'],
    of: ofBalance ? 'balance' : 'session',
    amountMicroUsd: comesIn ? row.amount_micro_usd : -row.amount_micro_usd,
    balanceAfterMicroUsd: ofBalance ? row.balance_after_micro_usd : null,
    sessionId: row.session_id,
    ref: row.ref,
    refundOf: row.refund_of,
    projectId: row.project_id,
    project: row.project,
    detail: row.detail,
    at: row.created_at,
  }
}

type SessionRow = Selectable<Schema['session']> & { taken: bigint }

const sessionOf = (it: SessionRow): Statement['sessions'][number] => ({
  session_id: it.session_id,
  channel_id: it.channel_id,
  status: it.status as 'open' | 'closing' | 'closed',
  deposit_usd: toUsd(it.deposit_micro_usd),
  authorized_usd: toUsd(it.authorized_micro_usd),
  taken_usd: toUsd(it.taken),
  close:
    it.status !== 'closed' || it.refunded_micro_usd === null
      ? null
      : {
          tx_hash: it.close_tx,
          captured_usd: toUsd(it.settled_micro_usd),
          refunded_usd: toUsd(it.refunded_micro_usd),
        },
})
