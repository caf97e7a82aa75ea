/**
 * Wallets that pay: sessions (payment channels), the vouchers in them, one-off charges.
 *
 * A session is a book of its own. Its vouchers authorize; what is committed of that is held for work in progress, was
 * captured for delivered work, or was granted to a balance. Only the captured and the used part of grants is ever taken
 * on chain: when a session closes, everything else has been given back to it, and what is committed then is what is
 * captured there.
 *
 * Reservations with a session take from the session and leave the account's balance alone. Locks are taken in this
 * order: session, account.
 */
export const payments = `
alter table account add column address text unique; -- of a wallet, in lower case

create table session (
  session_id text primary key,
  channel_id text not null unique,
  account_id text not null references account,
  chain_id bigint not null,
  escrow text not null,
  payer text not null,
  signer text not null, -- whose vouchers count
  descriptor jsonb not null,
  status text not null check (status in ('opening', 'open', 'closing', 'closed')),
  deposit_micro_usd bigint not null check (deposit_micro_usd >= 0),
  authorized_micro_usd bigint not null check (authorized_micro_usd between 0 and deposit_micro_usd),
  signature text not null, -- of the highest voucher
  committed_micro_usd bigint not null default 0
    check (committed_micro_usd between 0 and authorized_micro_usd),
  settled_micro_usd bigint not null default 0, -- taken on chain so far
  open_tx text,
  close_tx text,
  close_reason text,
  refunded_micro_usd bigint,
  opened_at timestamptz not null,
  used_at timestamptz not null,
  closing_at timestamptz,
  closed_at timestamptz
) with (fillfactor = 50); -- room to update rows in place
create index session_account on session (account_id, session_id);
create index session_alive on session (used_at) where status <> 'closed';

-- Every voucher that was accepted. One challenge counts once.
create table voucher (
  challenge_id text primary key,
  session_id text not null references session,
  cumulative_micro_usd bigint not null,
  signature text not null,
  work_id text,
  at timestamptz not null
);
create index voucher_session on voucher (session_id, cumulative_micro_usd);

-- Proofs of identity that were used, until they expire.
create table spent_challenge (challenge_id text primary key, expires_at timestamptz not null);

-- What sessions added to balances and was not used when last looked at; see session_normalize.
create table session_grant (
  session_id text not null references session,
  account_id text not null references ledger_account,
  unused_micro_usd bigint not null check (unused_micro_usd >= 0),
  granted_at timestamptz not null,
  primary key (session_id, account_id)
);
create index session_grant_account on session_grant (account_id, granted_at) where unused_micro_usd > 0;

-- One transaction that pays for one piece of work.
create table charge (
  challenge_id text primary key,
  tx_hash text not null,
  account_id text not null references account, -- of the payer
  credit_account_id text not null references account, -- whose balance gets it
  work_id text unique, -- what it pays for; null when that came to nothing, so that other work may have it
  amount_micro_usd bigint not null check (amount_micro_usd > 0),
  scope text not null,
  credential text not null,
  key text, -- under which the work was asked for
  state text not null check (state in ('authorized', 'broadcasting', 'paid', 'failed')),
  created_at timestamptz not null,
  settled_at timestamptz
);
create index charge_unsettled on charge (created_at) where state in ('authorized', 'broadcasting');
create index charge_key on charge (account_id, key);

alter table idempotency add column receipt text;

alter table ledger_reservation add column session_id text references session;
create index ledger_reservation_session on ledger_reservation (session_id)
  where session_id is not null and settled_at is null;

alter table ledger_transfer
  add column session_id text references session,
  alter column balance_after_micro_usd drop not null, -- a session's own have none
  drop constraint ledger_transfer_debit_check,
  drop constraint ledger_transfer_credit_check,
  add constraint ledger_transfer_debit_check
    check (debit in ('available', 'held', 'revenue', 'external', 'granted', 'session')),
  add constraint ledger_transfer_credit_check
    check (credit in ('available', 'held', 'revenue', 'external', 'granted', 'session')),
  add constraint ledger_transfer_session check (('session' in (debit, credit)) <= (session_id is not null)),
  add constraint ledger_transfer_balance
    check ((balance_after_micro_usd is null) = ('session' in (debit, credit) and 'available' not in (debit, credit)));
create index ledger_transfer_session_id on ledger_transfer (session_id) where session_id is not null;

-- Why a session does not take a voucher for so much; null when it does. A voucher pays once, and so does a challenge; and
-- once more when what it paid for was not delivered. Vouchers that were settled are on chain for everybody to read.
create function session_refusal(p_it session, p_challenge text, p_cumulative bigint, p_amount bigint)
returns text language plpgsql stable as $$
begin
  if p_it.status <> 'open' then return 'closed'; end if;
  if p_cumulative > p_it.deposit_micro_usd then return 'over_deposit'; end if;
  if p_cumulative <= p_it.settled_micro_usd then return 'used'; end if;
  -- Two questions, so that each has its index however many vouchers there are.
  if exists (
    select from voucher v where v.challenge_id = p_challenge
      and (v.session_id <> p_it.session_id or v.work_id is null or voucher_is_spent(v.work_id))
  ) or exists (
    select from voucher v where v.session_id = p_it.session_id and v.cumulative_micro_usd = p_cumulative
      and v.work_id is not null and voucher_is_spent(v.work_id)
  ) then return 'used'; end if;
  if p_amount > greatest(p_it.authorized_micro_usd, p_cumulative) - p_it.committed_micro_usd then
    return 'insufficient';
  end if;
  return null;
end $$;

-- Whether what a voucher paid for was delivered, or may still be.
create function voucher_is_spent(p_work text) returns boolean language plpgsql stable as $$
begin
  return not exists (select from ledger_reservation where reservation_id = p_work and captured_micro_usd = 0);
end $$;

-- Accepts a voucher and, unless p_id is null, sets aside p_amount of the session for work.
create function session_pay(
  p_channel text, p_challenge text, p_cumulative bigint, p_signature text,
  p_id text, p_amount bigint, p_kind text, p_ref text, p_project text,
  out outcome text, out authorized bigint, out committed bigint, out deposit bigint
) language plpgsql as $$
declare
  v_it session;
  v_old ledger_reservation;
  v_now timestamptz;
begin
  if p_amount <= 0 or p_cumulative < 0 then raise exception 'amounts are positive'; end if;
  select * into v_it from session where channel_id = p_channel for no key update;
  if not found then outcome := 'unknown'; return; end if;
  v_now := clock_timestamp();
  authorized := v_it.authorized_micro_usd;
  committed := v_it.committed_micro_usd;
  deposit := v_it.deposit_micro_usd;
  if p_id is not null then
    select * into v_old from ledger_reservation where reservation_id = p_id;
    if found then
      outcome := case
        when v_old.session_id = v_it.session_id and (v_old.amount_micro_usd, v_old.kind) = (p_amount, p_kind)
        then 'replayed' else 'mismatch' end;
      return;
    end if;
  end if;
  outcome := session_refusal(v_it, p_challenge, p_cumulative, p_amount);
  if outcome is not null then return; end if;

  insert into voucher values (p_challenge, v_it.session_id, p_cumulative, p_signature, p_id, v_now)
    on conflict (challenge_id) do update set work_id = excluded.work_id, at = excluded.at
      where voucher.session_id = excluded.session_id; -- another session may have answered it just now
  if not found then outcome := 'used'; return; end if;
  committed := committed + coalesce(p_amount, 0);
  update session set
    authorized_micro_usd = greatest(authorized, p_cumulative),
    signature = case when p_cumulative > authorized then p_signature else v_it.signature end,
    committed_micro_usd = committed,
    -- Not each time: it has an index.
    used_at = case when v_it.used_at < v_now - interval '1 minute' then v_now else v_it.used_at end
  where session_id = v_it.session_id;
  authorized := greatest(authorized, p_cumulative);
  if p_id is not null then
    insert into ledger_reservation
      (reservation_id, account_id, amount_micro_usd, kind, ref, project_id, session_id, created_at)
      values (p_id, v_it.account_id, p_amount, p_kind, p_ref, p_project, v_it.session_id, v_now);
  end if;
  outcome := 'done';
end $$;

-- The same for many vouchers, each as if it came alone: rows of p_vouchers have the parameters of session_pay by their names.
create function session_pay_all(p_vouchers jsonb)
returns table (nr bigint, outcome text, authorized bigint, committed bigint, deposit bigint, unused bigint)
language plpgsql set enable_seqscan = off as $$
declare
  v_it record;
begin
  for v_it in
    select it.*, s.session_id from rows from (jsonb_to_recordset(p_vouchers) as (
      channel text, challenge text, cumulative bigint, signature text,
      id text, amount bigint, kind text, ref text, project text
    )) with ordinality it left join session s on s.channel_id = it.channel
    -- Whoever locks several takes them in this order.
    order by s.session_id, it.ordinality
  loop
    select paid.outcome, paid.authorized, paid.committed, paid.deposit
      into outcome, authorized, committed, deposit
      from session_pay(v_it.channel, v_it.challenge, v_it.cumulative, v_it.signature,
        v_it.id, v_it.amount, v_it.kind, v_it.ref, v_it.project) paid;
    select coalesce(sum(unused_micro_usd), 0) into unused from session_grant where session_id = v_it.session_id;
    nr := v_it.ordinality;
    return next;
  end loop;
end $$;

-- As before, and for what a session pays: the session is locked instead of the account, whose balance stays.
create or replace function ledger_settle(
  p_id text, p_captured bigint, p_ref text, p_project text,
  out outcome text, out available bigint, out reserved bigint, out captured bigint
) language plpgsql as $$
declare
  v_account_id text;
  v_session_id text;
  v_it ledger_reservation;
  v_now timestamptz;
  v_total bigint;
begin
  select account_id, session_id into v_account_id, v_session_id
    from ledger_reservation where reservation_id = p_id;
  if not found then outcome := 'unknown'; return; end if;
  if v_session_id is null then
    select available_micro_usd into available
      from ledger_account where account_id = v_account_id for no key update;
  else
    perform from session where session_id = v_session_id for no key update;
    select available_micro_usd into available from ledger_account where account_id = v_account_id;
  end if;
  v_now := clock_timestamp();
  select * into v_it from ledger_reservation where reservation_id = p_id for update;
  reserved := v_it.amount_micro_usd;
  captured := v_it.captured_micro_usd;
  if captured is not null then outcome := 'replayed'; return; end if;
  captured := coalesce(p_captured, reserved);
  if captured > reserved then outcome := 'too_much'; return; end if;

  update ledger_reservation set captured_micro_usd = captured, settled_at = v_now
    where reservation_id = p_id;
  if v_session_id is not null then
    if captured < reserved then
      update session set committed_micro_usd = committed_micro_usd - (reserved - captured)
        where session_id = v_session_id;
    end if;
    if captured > 0 then
      insert into ledger_transfer
        (transfer_id, account_id, debit, credit, amount_micro_usd, kind, ref, project_id, session_id, created_at)
        values (p_id, v_account_id, 'session', 'revenue', captured, v_it.kind, coalesce(p_ref, v_it.ref),
         coalesce(p_project, v_it.project_id), v_session_id, v_now);
    end if;
    outcome := 'done'; return;
  end if;
  update ledger_account
    set available_micro_usd = available_micro_usd + reserved - captured,
        held_micro_usd = held_micro_usd - reserved
    where account_id = v_account_id
    returning available_micro_usd, available_micro_usd + held_micro_usd into available, v_total;
  if captured > 0 then
    insert into ledger_transfer
      (transfer_id, account_id, debit, credit, amount_micro_usd, kind, ref, project_id, token_id,
       balance_after_micro_usd, created_at)
      values (p_id, v_account_id, 'held', 'revenue', captured, v_it.kind, coalesce(p_ref, v_it.ref),
       coalesce(p_project, v_it.project_id), v_it.token_id, v_total, v_now);
  end if;
  if captured < reserved then
    insert into ledger_transfer
      (transfer_id, account_id, debit, credit, amount_micro_usd, kind, ref, project_id, token_id,
       balance_after_micro_usd, created_at)
      values (p_id || ':release', v_account_id, 'held', 'available', reserved - captured, 'release',
       v_it.ref, v_it.project_id, v_it.token_id, v_total, v_now);
    update ledger_token_day set spent_micro_usd = spent_micro_usd - (reserved - captured)
      where token_id = v_it.token_id and day = (v_it.created_at at time zone 'UTC')::date;
  end if;
  outcome := 'done';
end $$;

-- Captures many reservations, each in full. What was settled before stays as it is. What a session pays was committed
-- when it was reserved: it is not locked, and whoever pays by it in the meantime does not wait.
-- Plans are made when tables are small, and used when they are not.
create function ledger_capture(p_ids text[]) returns void language plpgsql set enable_seqscan = off as $$
declare
  v_done bigint;
begin
  with captured as (
    update ledger_reservation set captured_micro_usd = amount_micro_usd, settled_at = clock_timestamp()
    where reservation_id = any(p_ids) and session_id is not null and captured_micro_usd is null
    returning *
  )
  insert into ledger_transfer
    (transfer_id, account_id, debit, credit, amount_micro_usd, kind, ref, project_id, session_id, created_at)
  select reservation_id, account_id, 'session', 'revenue', amount_micro_usd, kind, ref, project_id, session_id, settled_at
  from captured order by reservation_id;
  get diagnostics v_done = row_count;
  if v_done = cardinality(p_ids) then return; end if;

  perform from ledger_account where account_id in (
    select account_id from ledger_reservation where reservation_id = any(p_ids) and session_id is null
  ) order by account_id for no key update;
  with captured as (
    update ledger_reservation set captured_micro_usd = amount_micro_usd, settled_at = clock_timestamp()
    where reservation_id = any(p_ids) and session_id is null and captured_micro_usd is null
    returning *
  ), paid as (
    update ledger_account had set held_micro_usd = held_micro_usd - it.amount
    from (select account_id, sum(amount_micro_usd)::bigint as amount from captured group by account_id) it
    where had.account_id = it.account_id
    returning had.account_id, available_micro_usd + held_micro_usd + it.amount as before
  )
  insert into ledger_transfer
    (transfer_id, account_id, debit, credit, amount_micro_usd, kind, ref, project_id, token_id,
     balance_after_micro_usd, created_at)
  select reservation_id, account_id, 'held', 'revenue', amount_micro_usd, kind, ref, project_id, token_id,
    before - sum(amount_micro_usd) over (partition by account_id order by reservation_id), settled_at
  from captured join paid using (account_id) order by account_id, reservation_id;
end $$;

-- What is left of an account's grants is at most what it has: other money is used up first, then grants, oldest first.
-- Whoever adds to a balance calls it before, and whoever reads grants too. The caller has locked the account.
create function session_normalize(p_account text) returns void language plpgsql as $$
declare
  v_used bigint;
  v_it session_grant;
begin
  select coalesce(sum(unused_micro_usd), 0) into v_used from session_grant where account_id = p_account;
  if v_used = 0 then return; end if;
  select v_used - (available_micro_usd + held_micro_usd) into v_used
    from ledger_account where account_id = p_account;
  for v_it in
    select * from session_grant where account_id = p_account and unused_micro_usd > 0
    order by granted_at, session_id
  loop
    exit when v_used <= 0;
    update session_grant set unused_micro_usd = v_it.unused_micro_usd - least(v_used, v_it.unused_micro_usd)
      where session_id = v_it.session_id and account_id = p_account;
    v_used := v_used - v_it.unused_micro_usd;
  end loop;
end $$;

-- As before, and keeps the grants of sessions apart from what comes in.
create or replace function ledger_deposit(
  p_id text, p_account text, p_amount bigint, p_debit text, p_kind text, p_ref text, p_project text,
  p_refund_of text,
  out outcome text, out available bigint
) language plpgsql as $$
declare
  v_account ledger_account;
  v_old ledger_transfer;
begin
  select * into v_account from ledger_account where account_id = p_account for no key update;
  if not found then outcome := 'no_account'; return; end if;
  available := v_account.available_micro_usd;

  select * into v_old from ledger_transfer where transfer_id = p_id;
  if found then
    outcome := case
      when (v_old.account_id, v_old.debit, v_old.credit, v_old.kind, v_old.amount_micro_usd)
           = (p_account, p_debit, 'available', p_kind, p_amount)
       and v_old.refund_of is not distinct from p_refund_of
      then 'replayed' else 'mismatch' end;
    return;
  end if;
  if p_amount > (
    select charge.amount_micro_usd - coalesce(sum(refund.amount_micro_usd), 0)
    from ledger_transfer charge
    left join ledger_transfer refund on refund.refund_of = charge.transfer_id
    where charge.transfer_id = p_refund_of
    group by charge.transfer_id
  ) then outcome := 'too_much'; return; end if;

  perform session_normalize(p_account);
  available := available + p_amount;
  update ledger_account set available_micro_usd = available where account_id = p_account;
  insert into ledger_transfer
    (transfer_id, account_id, debit, credit, amount_micro_usd, kind, ref, project_id, refund_of,
     balance_after_micro_usd, created_at)
    values (p_id, p_account, p_debit, 'available', p_amount, p_kind, p_ref, p_project, p_refund_of,
     available + v_account.held_micro_usd, clock_timestamp());
  outcome := 'done';
end $$;

-- Accepts a voucher and adds p_amount of the session to an account's balance, from which it can go back.
create function session_fund(
  p_channel text, p_challenge text, p_cumulative bigint, p_signature text,
  p_id text, p_amount bigint, p_account text, p_project text,
  out outcome text, out authorized bigint, out committed bigint, out deposit bigint
) language plpgsql as $$
declare
  v_account ledger_account;
  v_old ledger_transfer;
  v_session_id text;
  v_now timestamptz;
begin
  if p_amount is null or p_amount <= 0 then raise exception 'amounts are positive'; end if;
  select session_id into v_session_id from session where channel_id = p_channel for no key update;
  if not found then outcome := 'unknown'; return; end if;
  select * into v_account from ledger_account where account_id = p_account for no key update;
  if not found then outcome := 'no_account'; return; end if;
  select * into v_old from ledger_transfer where transfer_id = p_id;
  if found then
    select authorized_micro_usd, committed_micro_usd, deposit_micro_usd into authorized, committed, deposit
      from session where session_id = v_session_id;
    outcome := case
      when (v_old.account_id, v_old.session_id, v_old.kind, v_old.amount_micro_usd)
           = (p_account, v_session_id, 'fund', p_amount)
      then 'replayed' else 'mismatch' end;
    return;
  end if;
  select it.outcome, it.authorized, it.committed, it.deposit into outcome, authorized, committed, deposit
    from session_pay(p_channel, p_challenge, p_cumulative, p_signature, null, p_amount, null, null, null) it;
  if outcome <> 'done' then return; end if;

  v_now := clock_timestamp();
  update voucher set work_id = p_id where challenge_id = p_challenge;
  perform session_normalize(p_account);
  update ledger_account set available_micro_usd = available_micro_usd + p_amount where account_id = p_account;
  insert into session_grant as had values (v_session_id, p_account, p_amount, v_now)
    on conflict (session_id, account_id) do update
      set unused_micro_usd = had.unused_micro_usd + p_amount, granted_at = v_now;
  insert into ledger_transfer
    (transfer_id, account_id, debit, credit, amount_micro_usd, kind, project_id, session_id,
     balance_after_micro_usd, created_at)
    values (p_id, p_account, 'session', 'available', p_amount, 'fund', p_project, v_session_id,
     v_account.available_micro_usd + v_account.held_micro_usd + p_amount, v_now);
end $$;

-- Gives back to a closing session what is unused of its grants and not set aside. Answers whether that was everything.
create function session_return(p_session text, p_now timestamptz) returns boolean language plpgsql as $$
declare
  v_it session_grant;
  v_account ledger_account;
  v_back bigint;
  v_left bigint := 0;
begin
  perform from session where session_id = p_session and status = 'closing' for no key update;
  if not found then raise exception 'session % is not closing', p_session; end if;
  for v_it in
    select * from session_grant where session_id = p_session and unused_micro_usd > 0 order by account_id
  loop
    select * into v_account from ledger_account where account_id = v_it.account_id for no key update;
    perform session_normalize(v_it.account_id);
    select least(unused_micro_usd, v_account.available_micro_usd), unused_micro_usd into v_back, v_it.unused_micro_usd
      from session_grant where session_id = p_session and account_id = v_it.account_id;
    v_left := v_left + v_it.unused_micro_usd - v_back;
    continue when v_back = 0;
    update session_grant set unused_micro_usd = unused_micro_usd - v_back
      where session_id = p_session and account_id = v_it.account_id;
    update ledger_account set available_micro_usd = available_micro_usd - v_back
      where account_id = v_it.account_id;
    update session set committed_micro_usd = committed_micro_usd - v_back where session_id = p_session;
    insert into ledger_transfer
      (transfer_id, account_id, debit, credit, amount_micro_usd, kind, session_id, balance_after_micro_usd, created_at)
      values ('back:' || p_session || ':' || v_it.account_id || ':' || to_char(p_now, 'YYYYMMDDHH24MISSUS'),
       v_it.account_id, 'available', 'session', v_back, 'withdrawal', p_session,
       v_account.available_micro_usd + v_account.held_micro_usd - v_back, p_now);
  end loop;
  return v_left = 0 and not exists (
    select from ledger_reservation where session_id = p_session and settled_at is null);
end $$;
`
