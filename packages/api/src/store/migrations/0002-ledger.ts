/**
 * Money. Its rules stand here, in the database, because that is where they hold for every replica and where one
 * round trip does a whole step. The functions answer an outcome instead of raising, so that the caller's transaction
 * goes on; `ledger.ts` turns outcomes into errors.
 *
 * A transfer moves an amount from one book to another, so that every row balances by itself. `available` and `held`
 * are an account's own; `revenue`, `external` and `granted` have no kept balance, which would be one hot row for the
 * whole product. Every function locks the account's row first: steps of one account follow each other.
 */
export const ledger = `
create table ledger_account (
  account_id text primary key,
  available_micro_usd bigint not null default 0 check (available_micro_usd >= 0),
  held_micro_usd bigint not null default 0 check (held_micro_usd >= 0),
  created_at timestamptz not null default now()
) with (fillfactor = 50); -- room to update rows in place

create table ledger_transfer (
  transfer_id text primary key,
  seq bigint generated always as identity unique,
  account_id text not null references ledger_account,
  debit text not null check (debit in ('available', 'held', 'revenue', 'external', 'granted')),
  credit text not null check (credit in ('available', 'held', 'revenue', 'external', 'granted')),
  amount_micro_usd bigint not null check (amount_micro_usd > 0),
  kind text not null,
  ref text,
  project_id text,
  token_id text,
  refund_of text references ledger_transfer,
  balance_after_micro_usd bigint not null check (balance_after_micro_usd >= 0),
  created_at timestamptz not null,
  check (debit <> credit),
  check ((kind = 'reserve') = (debit = 'available' and credit = 'held')),
  check ((kind = 'release') = (debit = 'held' and credit = 'available'))
);
create index ledger_transfer_entry on ledger_transfer (account_id, created_at, seq)
  where kind not in ('reserve', 'release');
create index ledger_transfer_project on ledger_transfer (project_id, created_at)
  where kind not in ('reserve', 'release') and project_id is not null;
create index ledger_transfer_refund on ledger_transfer (refund_of) where refund_of is not null;

create function ledger_transfer_stays() returns trigger language plpgsql as $$
begin
  raise exception 'The ledger is append-only: correct a transfer with another one.';
end $$;
create trigger ledger_transfer_stays before update or delete on ledger_transfer
  for each row execute function ledger_transfer_stays();
create trigger ledger_transfer_stays_whole before truncate on ledger_transfer
  for each statement execute function ledger_transfer_stays();

create table ledger_reservation (
  reservation_id text primary key,
  account_id text not null,
  amount_micro_usd bigint not null check (amount_micro_usd > 0),
  kind text not null,
  ref text,
  project_id text,
  token_id text,
  created_at timestamptz not null,
  captured_micro_usd bigint check (captured_micro_usd between 0 and amount_micro_usd),
  settled_at timestamptz,
  check ((captured_micro_usd is null) = (settled_at is null))
);
create index ledger_reservation_open on ledger_reservation (created_at) where settled_at is null;

-- What a token has spent or reserved on a day in UTC.
create table ledger_token_day (
  token_id text not null,
  day date not null,
  spent_micro_usd bigint not null check (spent_micro_usd >= 0),
  primary key (token_id, day)
);

-- Counts an amount towards a token's day; false when that would exceed the cap.
create function ledger_count(p_token text, p_amount bigint, p_daily_cap bigint, p_now timestamptz)
returns boolean language plpgsql as $$
begin
  if p_token is null then return true; end if;
  if p_amount > p_daily_cap then return false; end if;
  insert into ledger_token_day as it values (p_token, (p_now at time zone 'UTC')::date, p_amount)
  on conflict (token_id, day) do update set spent_micro_usd = it.spent_micro_usd + p_amount
    where p_daily_cap is null or it.spent_micro_usd + p_amount <= p_daily_cap;
  return found;
end $$;

create function ledger_reserve(
  p_id text, p_account text, p_amount bigint, p_kind text, p_ref text, p_project text,
  p_token text, p_daily_cap bigint,
  out outcome text, out available bigint
) language plpgsql as $$
declare
  v_account ledger_account;
  v_old ledger_reservation;
  v_now timestamptz;
begin
  select * into v_account from ledger_account where account_id = p_account for update;
  if not found then outcome := 'no_account'; return; end if;
  available := v_account.available_micro_usd;
  v_now := clock_timestamp();

  select * into v_old from ledger_reservation where reservation_id = p_id;
  if found then
    outcome := case
      when (v_old.account_id, v_old.amount_micro_usd, v_old.kind) = (p_account, p_amount, p_kind)
      then 'replayed' else 'mismatch' end;
    return;
  end if;
  if exists (select from ledger_transfer where transfer_id = p_id) then
    outcome := 'mismatch'; return;
  end if;
  if available < p_amount then outcome := 'insufficient'; return; end if;
  if not ledger_count(p_token, p_amount, p_daily_cap, v_now) then
    outcome := 'over_cap'; return;
  end if;

  available := available - p_amount;
  update ledger_account
    set available_micro_usd = available, held_micro_usd = held_micro_usd + p_amount
    where account_id = p_account;
  insert into ledger_reservation
    (reservation_id, account_id, amount_micro_usd, kind, ref, project_id, token_id, created_at)
    values (p_id, p_account, p_amount, p_kind, p_ref, p_project, p_token, v_now);
  insert into ledger_transfer
    (transfer_id, account_id, debit, credit, amount_micro_usd, kind, ref, project_id, token_id,
     balance_after_micro_usd, created_at)
    values (p_id || ':reserve', p_account, 'available', 'held', p_amount, 'reserve', p_ref, p_project,
     p_token, v_account.available_micro_usd + v_account.held_micro_usd, v_now);
  outcome := 'done';
end $$;

-- Captures all (null), a part, or nothing (0) of a reservation; the rest is available again.
create function ledger_settle(
  p_id text, p_captured bigint, p_ref text, p_project text,
  out outcome text, out available bigint, out reserved bigint, out captured bigint
) language plpgsql as $$
declare
  v_account_id text;
  v_it ledger_reservation;
  v_now timestamptz;
  v_total bigint;
begin
  select account_id into v_account_id from ledger_reservation where reservation_id = p_id;
  if not found then outcome := 'unknown'; return; end if;
  select available_micro_usd into available
    from ledger_account where account_id = v_account_id for update;
  v_now := clock_timestamp();
  select * into v_it from ledger_reservation where reservation_id = p_id;
  reserved := v_it.amount_micro_usd;
  captured := v_it.captured_micro_usd;
  if captured is not null then outcome := 'replayed'; return; end if;
  captured := coalesce(p_captured, reserved);
  if captured > reserved then outcome := 'too_much'; return; end if;

  update ledger_reservation set captured_micro_usd = captured, settled_at = v_now
    where reservation_id = p_id;
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

-- Takes an amount at once, or with p_partial as much of it as there is.
create function ledger_charge(
  p_id text, p_account text, p_amount bigint, p_partial boolean, p_credit text, p_kind text,
  p_ref text, p_project text, p_token text, p_daily_cap bigint,
  out outcome text, out available bigint, out charged bigint
) language plpgsql as $$
declare
  v_account ledger_account;
  v_old ledger_transfer;
  v_now timestamptz;
begin
  select * into v_account from ledger_account where account_id = p_account for update;
  if not found then outcome := 'no_account'; return; end if;
  available := v_account.available_micro_usd;
  v_now := clock_timestamp();

  select * into v_old from ledger_transfer where transfer_id = p_id;
  if found then
    charged := v_old.amount_micro_usd;
    outcome := case
      when (v_old.account_id, v_old.debit, v_old.credit, v_old.kind)
           = (p_account, 'available', p_credit, p_kind)
       and (charged = p_amount or p_partial and charged < p_amount)
      then 'replayed' else 'mismatch' end;
    return;
  end if;
  if exists (select from ledger_reservation where reservation_id = p_id) then
    outcome := 'mismatch'; return;
  end if;
  charged := case when p_partial then least(p_amount, available) else p_amount end;
  if charged = 0 then outcome := 'done'; return; end if;
  if available < charged then outcome := 'insufficient'; return; end if;
  if not ledger_count(p_token, charged, p_daily_cap, v_now) then outcome := 'over_cap'; return; end if;

  available := available - charged;
  update ledger_account set available_micro_usd = available where account_id = p_account;
  insert into ledger_transfer
    (transfer_id, account_id, debit, credit, amount_micro_usd, kind, ref, project_id, token_id,
     balance_after_micro_usd, created_at)
    values (p_id, p_account, 'available', p_credit, charged, p_kind, p_ref, p_project, p_token,
     available + v_account.held_micro_usd, v_now);
  outcome := 'done';
end $$;

create function ledger_deposit(
  p_id text, p_account text, p_amount bigint, p_debit text, p_kind text, p_ref text, p_project text,
  p_refund_of text,
  out outcome text, out available bigint
) language plpgsql as $$
declare
  v_account ledger_account;
  v_old ledger_transfer;
begin
  select * into v_account from ledger_account where account_id = p_account for update;
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

  available := available + p_amount;
  update ledger_account set available_micro_usd = available where account_id = p_account;
  insert into ledger_transfer
    (transfer_id, account_id, debit, credit, amount_micro_usd, kind, ref, project_id, refund_of,
     balance_after_micro_usd, created_at)
    values (p_id, p_account, p_debit, 'available', p_amount, p_kind, p_ref, p_project, p_refund_of,
     available + v_account.held_micro_usd, clock_timestamp());
  outcome := 'done';
end $$;

-- Gives back a charge, or a part of it; never more than it was.
create function ledger_refund(
  p_id text, p_charge text, p_amount bigint,
  out outcome text, out available bigint, out refunded bigint
) language plpgsql as $$
declare
  v_charge ledger_transfer;
begin
  select * into v_charge from ledger_transfer where transfer_id = p_charge and credit = 'revenue';
  if not found then outcome := 'unknown'; return; end if;
  refunded := coalesce(p_amount, v_charge.amount_micro_usd);
  select it.outcome, it.available into outcome, available from ledger_deposit(
    p_id, v_charge.account_id, refunded, 'revenue', 'refund', v_charge.ref, v_charge.project_id,
    p_charge) it;
end $$;
`
