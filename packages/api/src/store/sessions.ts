import { type Selectable, sql } from 'kysely'
import { JackError } from '../Errors.ts'
import type { ChargeKind } from '../Ledger.ts'
import type {
  Authorization,
  Hex,
  Session,
  SessionState,
  SessionStatus,
  Voucher,
} from '../Session.ts'
import type { Db } from './database.ts'
import type { SessionTable } from './schema.ts'

/*
 * Sessions and their vouchers, by the functions of `migrations/0010-payments.ts`. As in the ledger, every step has an
 * id and happens once, however often it is sent.
 */

/** What a voucher shall pay. */
export interface SessionSpending {
  id: string
  amountMicroUsd: bigint
  kind: ChargeKind
  ref?: string | null
  projectId?: string | null
}

/** Why a session does not pay. `used` is a challenge that was answered before. */
export type SessionRefusal = 'unknown' | 'closed' | 'over_deposit' | 'used' | 'insufficient'

/** Thrown when a session does not pay; `payments/` says it in the protocol's words. */
export class SessionRefused extends Error {
  readonly refusal: SessionRefusal
  readonly session: Authorization | null

  constructor(refusal: SessionRefusal, session: Authorization | null) {
    super(`The session does not pay: ${refusal}.`)
    this.refusal = refusal
    this.session = session
  }
}

/** A voucher whose signature was verified, and what it shall pay when there is work. */
export interface Payment {
  voucher: Voucher
  spending: SessionSpending | null
}

/** What a session has left after a voucher, or why it does not pay. */
export type Paid = () => Authorization

/**
 * Accepts a voucher whose signature was verified, and sets aside what work costs, when there is work.
 * Throws `SessionRefused`; then nothing has changed.
 */
export async function pay(
  db: Db,
  voucher: Voucher,
  spending: SessionSpending | null,
): Promise<Authorization> {
  const [paid] = await payAll(db, [{ voucher, spending }])
  return (paid as Paid)()
}

/** The same for many, each as if it came alone. Every answer is to be called: it throws what `pay` would. */
export async function payAll(db: Db, payments: readonly Payment[]): Promise<Paid[]> {
  const { rows } = await sql<Row>`
    select * from session_pay_all(${JSON.stringify(payments.map(described))}::jsonb) order by nr`.execute(
    db,
  )
  return rows.map((row, i) => () => accepted(row, payments[i]?.spending?.id))
}

const described = ({ voucher, spending }: Payment) => ({
  channel: voucher.channelId,
  challenge: voucher.challengeId,
  cumulative: voucher.cumulativeMicroUsd.toString(),
  signature: voucher.signature,
  ...(spending && {
    id: spending.id,
    amount: spending.amountMicroUsd.toString(),
    kind: spending.kind,
    ref: spending.ref,
    project: spending.projectId,
  }),
})

/**
 * Throws `SessionRefused` when a voucher can not pay so much, without taking it. One that paid for its challenge before
 * passes: whoever repeats a request gets its answer.
 */
export async function require(
  db: Db,
  voucher: Pick<Voucher, 'channelId' | 'challengeId' | 'cumulativeMicroUsd'>,
  amountMicroUsd: bigint,
): Promise<void> {
  const { rows } = await sql<Row>`
    select session_refusal(s, ${voucher.challengeId}, ${voucher.cumulativeMicroUsd}, ${amountMicroUsd}) as outcome,
      authorized_micro_usd as authorized, committed_micro_usd as committed, deposit_micro_usd as deposit,
      ${unusedOf(voucher.channelId)} as unused
    from session s where channel_id = ${voucher.channelId} and status <> 'opening' and not exists (
      select from voucher v where v.challenge_id = ${voucher.challengeId} and v.session_id = s.session_id)`.execute(
    db,
  )
  const [row] = rows
  if (row?.outcome) accepted(row, undefined)
}

/** Whether a step was paid before, and not out of this channel. */
export async function paidElsewhere(db: Db, channelId: Hex, id: string): Promise<boolean> {
  const row = await db
    .selectFrom('ledger_transfer as t')
    .leftJoin('session as s', 's.session_id', 't.session_id')
    .select('s.channel_id')
    .where('t.transfer_id', '=', id)
    .executeTakeFirst()
  return row !== undefined && row.channel_id !== channelId
}

/** Accepts a voucher and adds an amount of the session to a balance. Throws `SessionRefused`, as `pay`. */
export async function fund(
  db: Db,
  voucher: Voucher,
  it: { id: string; amountMicroUsd: bigint; accountId: string; projectId: string | null },
): Promise<Authorization> {
  const { rows } = await sql<Row>`select * from session_fund(
    ${voucher.channelId}, ${voucher.challengeId}, ${voucher.cumulativeMicroUsd}, ${voucher.signature},
    ${it.id}, ${it.amountMicroUsd}, ${it.accountId}, ${it.projectId})`.execute(db)
  // Asked in the same statement, it would not know of this grant.
  const granted = await sql<Pick<Row, 'unused'>>`
    select ${unusedOf(voucher.channelId)} as unused`.execute(db)
  return accepted({ ...(rows[0] as Row), ...(granted.rows[0] as Pick<Row, 'unused'>) }, it.id)
}

/** What a session granted to balances, as far as nobody used it when last looked at. */
const unusedOf = (channelId: string) => sql<bigint>`(
  select coalesce(sum(unused_micro_usd), 0)::bigint from session_grant
  where session_id = (select session_id from session where channel_id = ${channelId.toLowerCase()}))`

interface Row {
  outcome: string
  authorized: bigint | null
  committed: bigint | null
  deposit: bigint | null
  unused: bigint
}

function accepted(row: Row, id: string | undefined): Authorization {
  const session = row.deposit === null ? null : toAuthorization(row)
  switch (row.outcome) {
    case 'done':
    case 'replayed':
      return session as Authorization
    case 'mismatch':
      throw new JackError('idempotency_conflict', `The id ${id} was used for another payment.`)
    case 'unknown':
    case 'closed':
    case 'over_deposit':
    case 'used':
    case 'insufficient':
      throw new SessionRefused(row.outcome, session)
    default:
      throw new Error(`The session answered ${row.outcome}.`)
  }
}

const toAuthorization = (row: Row): Authorization => ({
  depositMicroUsd: row.deposit as bigint,
  authorizedMicroUsd: row.authorized as bigint,
  committedMicroUsd: row.committed as bigint,
  spentMicroUsd: (row.committed as bigint) - row.unused,
})

/** Notes a channel that is about to be opened on chain. A channel that is known stays as it is. */
export async function begin(
  db: Db,
  it: Pick<
    Session,
    | 'sessionId'
    | 'channelId'
    | 'accountId'
    | 'chainId'
    | 'escrow'
    | 'payer'
    | 'signer'
    | 'descriptor'
    | 'depositMicroUsd'
    | 'authorizedMicroUsd'
    | 'signature'
  >,
  now: Date,
): Promise<Session> {
  await db
    .insertInto('session')
    .values({
      session_id: it.sessionId,
      channel_id: it.channelId,
      account_id: it.accountId,
      chain_id: BigInt(it.chainId),
      escrow: it.escrow,
      payer: it.payer,
      signer: it.signer,
      descriptor: JSON.stringify(it.descriptor),
      status: 'opening',
      deposit_micro_usd: it.depositMicroUsd,
      authorized_micro_usd: it.authorizedMicroUsd,
      signature: it.signature,
      opened_at: now,
      used_at: now,
    })
    .onConflict((on) => on.column('channel_id').doNothing())
    .execute()
  return (await findByChannel(db, it.channelId)) as Session
}

/** The channel is open on chain. Whoever comes second may still know by which transaction. */
export async function opened(
  db: Db,
  channelId: Hex,
  it: { depositMicroUsd: bigint; openTx: Hex | null },
): Promise<void> {
  await db
    .updateTable('session')
    .set({
      status: sql`case status when 'opening' then 'open' else status end`,
      deposit_micro_usd: sql`greatest(deposit_micro_usd, ${it.depositMicroUsd})`,
      open_tx: it.openTx,
    })
    .where('channel_id', '=', channelId)
    .where('open_tx', 'is', null)
    .where('status', 'in', ['opening', 'open'])
    .execute()
}

/** Forgets a channel that was never opened. */
export async function forget(db: Db, sessionId: string): Promise<void> {
  await db
    .deleteFrom('session')
    .where('session_id', '=', sessionId)
    .where('status', '=', 'opening')
    .execute()
}

/** More was deposited on chain. */
export async function toppedUp(db: Db, channelId: Hex, depositMicroUsd: bigint): Promise<void> {
  await db
    .updateTable('session')
    .set({ deposit_micro_usd: depositMicroUsd })
    .where('channel_id', '=', channelId)
    .where('deposit_micro_usd', '<', depositMicroUsd)
    .execute()
}

export async function findByChannel(db: Db, channelId: string): Promise<Session | undefined> {
  const row = await db
    .selectFrom('session')
    .selectAll()
    .where('channel_id', '=', channelId.toLowerCase())
    .executeTakeFirst()
  return row && toSession(row)
}

/** A session with what is spent of it. */
export async function authorizationOf(
  db: Db,
  channelId: string,
): Promise<(Session & Authorization) | undefined> {
  const row = await db
    .selectFrom('session')
    .selectAll()
    .select(unusedOf(channelId).as('unused'))
    .where('channel_id', '=', channelId.toLowerCase())
    .executeTakeFirst()
  return row && { ...toSession(row), spentMicroUsd: row.committed_micro_usd - row.unused }
}

/** A session of an account, by its id or its channel's. */
export async function find(
  db: Db,
  accountId: string,
  idOrChannel: string,
): Promise<Session | undefined> {
  const row = await db
    .selectFrom('session')
    .selectAll()
    .where('account_id', '=', accountId)
    .where((it) =>
      it.or([it('session_id', '=', idOrChannel), it('channel_id', '=', idOrChannel.toLowerCase())]),
    )
    .executeTakeFirst()
  return row && toSession(row)
}

export async function get(db: Db, sessionId: string): Promise<Session | undefined> {
  const row = await db
    .selectFrom('session')
    .selectAll()
    .where('session_id', '=', sessionId)
    .executeTakeFirst()
  return row && toSession(row)
}

/** Sessions in some state, those used longest ago first. */
export async function inStatus(db: Db, status: readonly SessionStatus[]): Promise<Session[]> {
  const rows = await db
    .selectFrom('session')
    .selectAll()
    .where('status', 'in', [...status])
    .orderBy('used_at')
    .execute()
  return rows.map(toSession)
}

/** The open session of an account that has most left; for a client that forgot about it. */
export async function openSessionOf(
  db: Db,
  accountId: string,
): Promise<(Session & Authorization) | undefined> {
  const row = await db
    .selectFrom('session')
    .selectAll()
    .select(
      sql<bigint>`(select coalesce(sum(unused_micro_usd), 0)::bigint from session_grant g
      where g.session_id = session.session_id)`.as('unused'),
    )
    .where('account_id', '=', accountId)
    .where('status', '=', 'open')
    .orderBy(sql`deposit_micro_usd - committed_micro_usd`, 'desc')
    .executeTakeFirst()
  return row && { ...toSession(row), spentMicroUsd: row.committed_micro_usd - row.unused }
}

/** An account's sessions, newest first. */
export async function list(
  db: Db,
  accountId: string,
  page: { limit: number; before?: string | undefined; only?: string },
): Promise<SessionState[]> {
  return db.transaction().execute(async (tx) => {
    // What grants are still unused depends on the balances that they were added to.
    await sql`
      select session_normalize(account_id) from (
        select account_id from ledger_account where account_id in (
          select g.account_id from session_grant g join session s using (session_id) where s.account_id = ${accountId}
        ) order by account_id for update
      ) granted`.execute(tx)
    const rows = await tx
      .selectFrom('session')
      .selectAll()
      .select([held, unused])
      .where('account_id', '=', accountId)
      .where('status', '<>', 'opening')
      .$if(page.before !== undefined, (it) => it.where('session_id', '<', page.before as string))
      .$if(page.only !== undefined, (it) => it.where('session_id', '=', page.only as string))
      .orderBy('session_id', 'desc')
      .limit(page.limit)
      .execute()
    return rows.map(toState)
  })
}

/** Every session that there ever was. Of grants as much is unused as when they were last looked at, or less. */
export async function all(db: Db): Promise<SessionState[]> {
  const rows = await db.selectFrom('session').selectAll().select([held, unused]).execute()
  return rows.map(toState)
}

const held =
  sql<bigint>`(select coalesce(sum(amount_micro_usd), 0)::bigint from ledger_reservation r
  where r.session_id = session.session_id and r.settled_at is null)`.as('held')

const unused = sql<bigint>`(select coalesce(sum(unused_micro_usd), 0)::bigint from session_grant g
  where g.session_id = session.session_id)`.as('unused')

const toState = (
  row: Selectable<SessionTable> & { held: bigint; unused: bigint },
): SessionState => ({
  ...toSession(row),
  heldMicroUsd: row.held,
  unusedMicroUsd: row.unused,
})

/** Uses up a challenge that a proof answered. False when it was answered before. */
export async function useChallenge(db: Db, challengeId: string, expiresAt: Date): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('spent_challenge')
    .values({ challenge_id: challengeId, expires_at: expiresAt })
    .onConflict((it) => it.doNothing())
    .executeTakeFirst()
  return (numInsertedOrUpdatedRows ?? 0n) > 0n
}

/** Forgets challenges that nobody could answer any more. */
export async function forgetChallenges(db: Db, now: Date): Promise<void> {
  await db.deleteFrom('spent_challenge').where('expires_at', '<', now).execute()
}

export const toSession = (row: Selectable<SessionTable>): Session => ({
  sessionId: row.session_id,
  channelId: row.channel_id as Hex,
  accountId: row.account_id,
  chainId: Number(row.chain_id),
  escrow: row.escrow as Hex,
  payer: row.payer as Hex,
  signer: row.signer as Hex,
  descriptor: row.descriptor,
  status: row.status,
  depositMicroUsd: row.deposit_micro_usd,
  authorizedMicroUsd: row.authorized_micro_usd,
  signature: row.signature as Hex,
  committedMicroUsd: row.committed_micro_usd,
  settledMicroUsd: row.settled_micro_usd,
  openTx: row.open_tx as Hex | null,
  closeTx: row.close_tx as Hex | null,
  closeReason: row.close_reason,
  refundedMicroUsd: row.refunded_micro_usd,
  openedAt: row.opened_at,
  usedAt: row.used_at,
  closingAt: row.closing_at,
  closedAt: row.closed_at,
})
