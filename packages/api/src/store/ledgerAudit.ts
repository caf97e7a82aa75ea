import { sql } from 'kysely'
import type { Inconsistency } from '../Ledger.ts'
import type { Db } from './database.ts'

/** Reads the whole ledger at one moment and returns every contradiction in it: none, if all is well. */
export async function audit(db: Db): Promise<Inconsistency[]> {
  if (db.isTransaction) return contradictions(db)
  return db.transaction().execute(async (tx) => {
    await sql`set local statement_timeout = 0`.execute(tx)
    return contradictions(tx)
  })
}

async function contradictions(db: Db): Promise<Inconsistency[]> {
  const { rows } = await sql<Inconsistency>`
    with moved as (
      select *,
        (credit = 'available')::int - (debit = 'available')::int as available_sign,
        (credit = 'held')::int - (debit = 'held')::int as held_sign
      from ledger_transfer
    ),
    summed as (
      select account_id,
        sum(available_sign * amount_micro_usd) as available,
        sum(held_sign * amount_micro_usd) as held
      from moved group by account_id
    ),
    running as (
      select transfer_id, balance_after_micro_usd as said,
        sum((available_sign + held_sign) * amount_micro_usd)
          over (partition by account_id order by seq) as summed
      from moved
    ),
    open as (
      select account_id, sum(amount_micro_usd) as amount
      from ledger_reservation where settled_at is null and session_id is null group by account_id
    ),
    session_open as (
      select session_id, sum(amount_micro_usd) as amount
      from ledger_reservation where settled_at is null and session_id is not null group by session_id
    ),
    session_moved as (
      select session_id,
        sum(((debit = 'session')::int - (credit = 'session')::int) * amount_micro_usd) as amount
      from ledger_transfer where session_id is not null group by session_id
    ),
    counted as (
      select token_id, day, sum(amount) as spent from (
        select token_id, (created_at at time zone 'UTC')::date as day,
          coalesce(captured_micro_usd, amount_micro_usd) as amount
        from ledger_reservation where token_id is not null
        union all
        select token_id, (created_at at time zone 'UTC')::date, amount_micro_usd
        from ledger_transfer where token_id is not null and debit = 'available' and credit = 'revenue'
      ) spending group by token_id, day
    )
    select 'an account has what its transfers add up to' as rule, account_id as subject,
      format('available %s of %s, held %s of %s', available_micro_usd, coalesce(available, 0),
        held_micro_usd, coalesce(held, 0)) as detail
    from ledger_account left join summed using (account_id)
    where available_micro_usd <> coalesce(available, 0) or held_micro_usd <> coalesce(held, 0)
    union all
    select 'what is held is what open reservations add up to', account_id,
      format('held %s, reserved %s', held_micro_usd, coalesce(amount, 0))
    from ledger_account left join open using (account_id)
    where held_micro_usd <> coalesce(amount, 0)
    union all
    select 'the balance after a transfer is the sum up to it', transfer_id,
      format('says %s, adds up to %s', said, summed)
    from running where said <> summed
    union all
    select 'a reservation has exactly its transfers', reservation_id,
      format('reserved %s of %s, captured %s of %s, released %s', reserve.amount_micro_usd,
        r.amount_micro_usd, capture.amount_micro_usd, r.captured_micro_usd, release.amount_micro_usd)
    from ledger_reservation r
    left join ledger_transfer reserve
      on reserve.transfer_id = r.reservation_id || ':reserve' and reserve.kind = 'reserve'
    left join ledger_transfer capture
      on capture.transfer_id = r.reservation_id and capture.debit in ('held', 'session')
    left join ledger_transfer release
      on release.transfer_id = r.reservation_id || ':release' and release.kind = 'release'
    where (r.session_id is null and reserve.amount_micro_usd is distinct from r.amount_micro_usd)
      or (r.session_id is not null and coalesce(reserve.amount_micro_usd, release.amount_micro_usd) is not null)
      or coalesce(capture.amount_micro_usd, 0) <> coalesce(r.captured_micro_usd, 0)
      or (r.session_id is null and coalesce(release.amount_micro_usd, 0)
        <> coalesce(r.amount_micro_usd - r.captured_micro_usd, 0))
    union all
    select 'a transfer of held money has its reservation', t.transfer_id, t.kind
    from ledger_transfer t
    where 'held' in (t.debit, t.credit) and not exists (
      select from ledger_reservation r
      where r.reservation_id = regexp_replace(t.transfer_id, ':(reserve|release)$', ''))
    union all
    select 'refunds do not exceed their charge', charge.transfer_id,
      format('charged %s, refunded %s', charge.amount_micro_usd, sum(refund.amount_micro_usd))
    from ledger_transfer charge join ledger_transfer refund on refund.refund_of = charge.transfer_id
    group by charge.transfer_id
    having sum(refund.amount_micro_usd) > charge.amount_micro_usd or charge.credit <> 'revenue'
    union all
    select 'what is committed of a session is held, captured or granted', s.session_id,
      format('committed %s, held %s, captured and granted %s', committed_micro_usd, coalesce(o.amount, 0),
        coalesce(m.amount, 0))
    from session s left join session_open o using (session_id) left join session_moved m using (session_id)
    where committed_micro_usd <> coalesce(o.amount, 0) + coalesce(m.amount, 0)
    union all
    select 'what is authorized is the highest voucher', s.session_id,
      format('authorized %s, highest voucher %s', authorized_micro_usd, max(v.cumulative_micro_usd))
    from session s join voucher v using (session_id) group by s.session_id
    having authorized_micro_usd < max(v.cumulative_micro_usd)
    union all
    select 'grants are not more than they were', session_id,
      format('unused %s, granted %s', sum(g.unused_micro_usd), max(coalesce(m.amount, 0)))
    from session_grant g left join session_moved m using (session_id) group by session_id
    having sum(g.unused_micro_usd) > max(coalesce(m.amount, 0))
    union all
    select 'a closed session took what was committed, unless its payer was faster', session_id,
      format('committed %s, settled %s', committed_micro_usd, settled_micro_usd)
    from session where status = 'closed' and committed_micro_usd <> settled_micro_usd
      and not (close_reason = 'withdrawn' and committed_micro_usd > settled_micro_usd)
    union all
    select 'an entry has its receipt, or is due for one', t.transfer_id, format('of %s', t.account_id)
    from ledger_transfer t
    where t.kind not in ('reserve', 'release')
      and not exists (select from receipt r where (r.account_id, r.transfer_id) = (t.account_id, t.transfer_id))
      and not exists (select from receipt_due d where (d.account_id, d.seq) = (t.account_id, t.seq))
    union all
    select 'a token has spent on a day what its payments add up to', token_id,
      format('on %s: says %s, adds up to %s', day, spent_micro_usd, spent)
    from ledger_token_day full join counted using (token_id, day)
    where coalesce(spent_micro_usd, 0) <> coalesce(spent, 0)`.execute(db)
  return rows
}
