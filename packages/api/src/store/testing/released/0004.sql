-- The database as the first release candidate left it: its schema, and a little of everything in it.
-- Never edited: upgrades are tested from it. The key that seals the environment is 32 bytes of 7.
create table migration (name text primary key, applied_at timestamptz not null default now());
create table account (
  account_id text primary key,
  slug text not null unique,
  kind text not null check (kind in ('local', 'wallet', 'person')),
  created_at timestamptz not null default now()
);

create table project (
  project_id text primary key,
  account_id text not null references account,
  name text not null,
  label text not null unique,
  status text not null default 'active' check (status in ('active', 'suspended', 'expired')),
  reason text,
  live_deployment_id text,
  env_revision text not null default '0',
  budget_micro_usd bigint check (budget_micro_usd >= 0),
  ttl_hours double precision,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (account_id, name)
);
create index project_expiry on project (expires_at) where expires_at is not null and status <> 'expired';

create table token (
  token_id text primary key,
  account_id text not null references account,
  name text not null,
  prefix text not null,
  hash bytea not null unique,
  scopes text[] not null,
  project_id text references project on delete cascade,
  daily_cap_micro_usd bigint,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index token_account on token (account_id, token_id);

create table deployment (
  deployment_id text primary key,
  project_id text not null references project on delete cascade,
  version jsonb not null,
  digest text not null,
  size_bytes bigint not null,
  created_at timestamptz not null default now()
);
create index deployment_project on deployment (project_id, deployment_id);

alter table project add foreign key (live_deployment_id) references deployment deferrable initially deferred;

-- Which version was live when: what a rollback goes back to.
create table promotion (
  promotion_id bigint generated always as identity primary key,
  project_id text not null references project on delete cascade,
  deployment_id text not null references deployment on delete cascade,
  at timestamptz not null default now()
);
create index promotion_project on promotion (project_id, promotion_id);

create table env_var (
  project_id text not null references project on delete cascade,
  name text not null,
  sealed bytea not null,
  updated_at timestamptz not null default now(),
  primary key (project_id, name)
);

create table log_line (
  line_id bigint generated always as identity primary key,
  project_id text not null references project on delete cascade,
  deployment_id text,
  at timestamptz not null,
  level smallint not null,
  message text not null
);
create index log_line_project on log_line (project_id, line_id);
create index log_line_at on log_line (at);

create table usage_minute (
  project_id text not null references project on delete cascade,
  minute timestamptz not null,
  requests bigint not null default 0,
  errors bigint not null default 0,
  cpu_ms double precision not null default 0,
  primary key (project_id, minute)
);

create table idempotency (
  account_id text not null references account,
  key text not null,
  fingerprint text not null,
  status int,
  body text,
  created_at timestamptz not null default now(),
  primary key (account_id, key)
);
create index idempotency_created on idempotency (created_at);

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

create table periodic (
  name text primary key,
  started_at timestamptz not null
);

alter table idempotency add column work_id text not null default '';
alter table idempotency add column lost boolean not null default false;

insert into migration (name) values ('0001-projects'), ('0002-ledger'), ('0003-periodic'), ('0004-idempotency');

insert into account (account_id, slug, kind) values ('acc_1', 'local', 'local'), ('acc_2', 'brave-otter', 'wallet');
insert into project (project_id, account_id, name, label, status, reason, env_revision, budget_micro_usd, ttl_hours, expires_at, created_at) values
  ('prj_1', 'acc_1', 'api', 'local-api', 'active', null, 'env_1', 2500000, null, null, '2026-10-01'),
  ('prj_2', 'acc_1', 'brief', 'local-brief', 'expired', 'Its time to live is over.', '0', null, 24, '2026-10-02', '2026-10-01'),
  ('prj_3', 'acc_2', 'empty', 'brave-otter-empty', 'active', null, '0', null, 8760, '2099-01-01', '2026-10-01');
insert into token (token_id, account_id, name, prefix, hash, scopes, project_id, daily_cap_micro_usd, expires_at) values
  ('tok_1', 'acc_1', 'local cloud', 'jkt_abcd', '\x01', '{read,execute,deploy,admin}', null, null, null),
  ('tok_2', 'acc_1', 'ci', 'jkt_efgh', '\x02', '{deploy}', 'prj_1', 1000000, '2099-01-01');
insert into deployment (deployment_id, project_id, version, digest, size_bytes, created_at) values
  ('dep_1', 'prj_1', '{"main":"index.js","modules":[{"name":"index.js","type":"esm","sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","sizeBytes":12}],"sourceMap":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","assets":{"files":[{"path":"/index.html","sha256":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","size_bytes":5}],"not_found":"none","html":"auto-trailing-slash","worker_first":false},"compatibilityDate":"2026-11-01","compatibilityFlags":["nodejs_compat"],"vars":{"GREETING":"hello"}}', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 17, '2026-10-01'),
  ('dep_2', 'prj_1', '{"main":"index.js","modules":[{"name":"index.js","type":"esm","sha256":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","sizeBytes":12}],"sourceMap":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","assets":{"files":[{"path":"/index.html","sha256":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","size_bytes":5}],"not_found":"none","html":"auto-trailing-slash","worker_first":false},"compatibilityDate":"2026-11-01","compatibilityFlags":["nodejs_compat"],"vars":{"GREETING":"hello"}}', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 17, '2026-10-02');
update project set live_deployment_id = 'dep_2' where project_id = 'prj_1';
insert into promotion (project_id, deployment_id, at) values ('prj_1', 'dep_1', '2026-10-01'), ('prj_1', 'dep_2', '2026-10-02');
insert into env_var (project_id, name, sealed) values ('prj_1', 'SECRET', '\x030303030303030303030303bf47806b8bd07831661380f07a2cd350569bc26f3f4c7e3612252d');
insert into log_line (project_id, deployment_id, at, level, message) values ('prj_1', 'dep_2', '2026-10-02', 2, 'said then');
insert into usage_minute (project_id, minute, requests, errors, cpu_ms) values ('prj_1', '2026-10-02 10:00Z', 5, 1, 12.345), ('prj_1', '2026-10-02 10:01Z', 2, 0, 3.5);
insert into periodic (name, started_at) values ('sweep', '2026-10-02');
insert into idempotency (account_id, key, fingerprint, status, body, work_id) values ('acc_1', 'key', 'f', 201, '{}', 'dep_2');

insert into ledger_account (account_id) values ('acc_1'), ('acc_2');
select ledger_deposit('grant:acc_1:first', 'acc_1', 100000000, 'granted', 'grant', null, null, null);
select ledger_reserve('dep_1', 'acc_1', 50000, 'deploy', 'dep_1', 'prj_1', 'tok_2', 1000000);
select ledger_settle('dep_1', null, null, null);
select ledger_reserve('exe_1', 'acc_1', 10000, 'execution', 'exe_1', null, null, null);
select ledger_settle('exe_1', 0, null, null);
select ledger_reserve('exe_2', 'acc_1', 10000, 'execution', 'exe_2', null, null, null);
select ledger_charge('chg_1', 'acc_1', 2000, false, 'revenue', 'runtime', null, 'prj_1', null, null);
select ledger_refund('ref_1', 'chg_1', 500);
