import { type Selectable, sql } from 'kysely'
import type { ChannelState, Closing } from '../Channel.ts'
import type { CloseReason, Hex, Session, Voucher } from '../Session.ts'
import type { Db } from './database.ts'
import type { SessionTable } from './schema.ts'
import { toSession } from './sessions.ts'

/*
 * How sessions are settled and come to an end. Every step can be taken again: what was done stays as it is.
 */

/** From now on the session takes no vouchers. False when it is closing or closed already. */
export async function freeze(
  db: Db,
  sessionId: string,
  reason: CloseReason,
  now: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('session')
    .set({ status: 'closing', close_reason: reason, closing_at: now })
    .where('session_id', '=', sessionId)
    .where('status', '=', 'open')
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * Charges what was used of the balances that a closing session granted to, and gives everything unused back to it.
 * True when nothing is left there and nothing is held: what is committed then is what is to be captured, for good.
 *
 * @param id of the charges, another one each time
 */
export async function giveBack(
  db: Db,
  sessionId: string,
  { id, now }: { id: string; now: Date },
): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    // No use is stored between charging and giving back. Locks are taken in the order of the ledger: session, accounts.
    await sql`select runtime_lock()`.execute(tx)
    await sql`select from session where session_id = ${sessionId} for update`.execute(tx)
    await sql`
      select from ledger_account where account_id in (
        select account_id from session_grant where session_id = ${sessionId} and unused_micro_usd > 0
      ) order by account_id for update`.execute(tx)
    await sql`
      select runtime_charge(${id}, array_agg(project_id), ${now})
      from runtime join session_grant using (account_id)
      where session_id = ${sessionId} and unused_micro_usd > 0`.execute(tx)
    const { rows } = await sql<{ whole: boolean }>`
      select session_return(${sessionId}, ${now}) as whole`.execute(tx)
    return rows[0]?.whole ?? false
  })
}

/** The channel is closed on chain. A session that is closed already stays as it is. */
export async function closed(
  db: Db,
  sessionId: string,
  it: Closing,
  now: Date,
): Promise<Session | undefined> {
  const row = await db
    .updateTable('session')
    .set({
      status: 'closed',
      close_tx: it.txHash,
      settled_micro_usd: it.capturedMicroUsd,
      refunded_micro_usd: it.refundedMicroUsd,
      // More may have been deposited since we looked.
      deposit_micro_usd: it.capturedMicroUsd + it.refundedMicroUsd,
      ...(it.by === 'payer' && { close_reason: 'withdrawn' as const }),
      closed_at: now,
    })
    .where('session_id', '=', sessionId)
    .where('status', '=', 'closing')
    .returningAll()
    .executeTakeFirst()
  return row && toSession(row)
}

/** What the chain says of a channel that is open. Amounts there only grow. */
export async function seen(
  db: Db,
  channelId: Hex,
  { depositMicroUsd, settledMicroUsd }: Pick<ChannelState, 'depositMicroUsd' | 'settledMicroUsd'>,
): Promise<void> {
  await db
    .updateTable('session')
    .set({
      deposit_micro_usd: sql`greatest(deposit_micro_usd, ${depositMicroUsd})`,
      settled_micro_usd: sql`greatest(settled_micro_usd, ${settledMicroUsd})`,
    })
    .where('channel_id', '=', channelId)
    .where('status', 'in', ['open', 'closing'])
    .execute()
}

/** Open sessions that have not been used since a time, and whose unused grants nobody spends of either. */
export async function idleSince(db: Db, since: Date): Promise<string[]> {
  const { rows } = await sql<{ session_id: string }>`
    select session_id from session s where status = 'open' and used_at < ${since} and not exists (
      select from session_grant g join ledger_transfer t using (account_id)
      where g.session_id = s.session_id and g.unused_micro_usd > 0
        and t.credit = 'revenue' and t.created_at >= ${since})
    order by used_at`.execute(db)
  return rows.map((it) => it.session_id)
}

/**
 * Open sessions of which more than `aboveMicroUsd` is spent and not settled, and the voucher to settle each with: the
 * highest that does not exceed what is spent. What is held, or may go back from a balance, is not spent. The highest that
 * was signed stays here: on chain everybody could read it, and close the session with it.
 */
export async function worthSettling(
  db: Db,
  aboveMicroUsd: bigint,
): Promise<{ session: Session; voucher: Pick<Voucher, 'cumulativeMicroUsd' | 'signature'> }[]> {
  const { rows } = await sql<Selectable<SessionTable> & { cumulative: bigint; voucher: Hex }>`
    select s.*, v.cumulative_micro_usd as cumulative, v.signature as voucher
    from session s, lateral (
      select committed_micro_usd
        - (select coalesce(sum(amount_micro_usd), 0) from ledger_reservation r
           where r.session_id = s.session_id and settled_at is null)
        - (select coalesce(sum(unused_micro_usd), 0) from session_grant g where g.session_id = s.session_id)
        as micro_usd
    ) spent, lateral (
      select cumulative_micro_usd, signature from voucher v
      where v.session_id = s.session_id and v.cumulative_micro_usd <= spent.micro_usd
        and v.cumulative_micro_usd > s.settled_micro_usd
        and v.cumulative_micro_usd < s.authorized_micro_usd
      order by cumulative_micro_usd desc limit 1
    ) v
    where status = 'open' and committed_micro_usd - settled_micro_usd > ${aboveMicroUsd}
      and spent.micro_usd - settled_micro_usd > ${aboveMicroUsd}`.execute(db)
  return rows.map((row) => ({
    session: toSession(row),
    voucher: { cumulativeMicroUsd: row.cumulative, signature: row.voucher },
  }))
}
