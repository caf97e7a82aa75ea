/** People: who is signed in with which browser, by what they were known, and links by which projects are claimed. */
export const identity = `
-- A browser that is signed in. Of its cookie, only the sha256 is kept.
create table sign_in (
  hash bytea primary key,
  account_id text not null references account,
  signed_in_at timestamptz not null,
  expires_at timestamptz not null
);
create index sign_in_expiry on sign_in (expires_at);

-- By what somebody else's sign-in knows the owner of an account, such as github and its number of the user.
create table identity (
  provider text not null,
  subject text not null,
  account_id text not null references account,
  created_at timestamptz not null default now(),
  primary key (provider, subject)
);

-- What was asked of somebody and counts once: the nonce of a message that a wallet signs, the state of a way to another
-- server and back.
create table nonce (
  nonce text primary key,
  purpose text not null,
  bound_to text not null, -- the browser or the account that may answer
  detail jsonb not null,
  expires_at timestamptz not null
);
create index nonce_expiry on nonce (expires_at);

-- Who has the link of a project that a wallet deployed may attach it to an account, once.
create table claim_link (
  project_id text primary key references project on delete cascade,
  hash bytea not null unique,
  expires_at timestamptz not null
);

alter table runtime add moved boolean not null default false; -- to this account, since its last charge

-- As before, and says of the first charge after a move that what was before is in another account's receipts.
create or replace function runtime_charge(p_id text, p_projects text[], p_now timestamptz)
returns void language plpgsql as $$
declare
  v_it runtime;
  v_id text;
  v_outcome text;
  v_charged bigint;
  v_left bigint;
begin
  perform runtime_lock();
  for v_it in
    select * from runtime where project_id = any(p_projects) and pending_nano_usd >= 1000
    order by account_id, project_id
  loop
    v_id := p_id || ':' || v_it.project_id;
    select outcome, charged into v_outcome, v_charged from ledger_charge(
      v_id, v_it.account_id, v_it.pending_nano_usd / 1000, true, 'revenue', 'runtime',
      to_char(v_it.pending_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z/"')
        || to_char(p_now at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
      v_it.project_id, null, null);
    if v_outcome <> 'done' or v_charged = 0 then
      update runtime set charged_at = p_now where project_id = v_it.project_id;
      continue;
    end if;
    v_left := v_it.pending_nano_usd - v_charged * 1000;
    insert into ledger_detail values (v_id, jsonb_build_object(
      'requests', v_it.requests, 'cpu_us', v_it.cpu_us,
      'rows_read', v_it.rows_read, 'rows_written', v_it.rows_written,
      'included_nano_usd', v_it.included_nano_usd::text,
      'carried_in_nano_usd', v_it.carried_nano_usd::text, 'carried_out_nano_usd', v_left::text)
      || case when v_it.moved then '{"moved": true}' else '{}' end::jsonb);
    update runtime set pending_nano_usd = v_left, carried_nano_usd = v_left, charged_at = p_now, moved = false,
      requests = 0, cpu_us = 0, rows_read = 0, rows_written = 0, included_nano_usd = 0
      where project_id = v_it.project_id;
  end loop;
end $$;

-- Moves a project to another account with all that is its own. What it used is charged to its account, as far as there is
-- balance, and the new one owes nothing of it.
create function project_move(p_project text, p_account text, p_id text, p_now timestamptz)
returns void language plpgsql as $$
declare
  v_from text;
  v_name text;
begin
  perform runtime_lock();
  select account_id, name into v_from, v_name from project where project_id = p_project for update;
  perform runtime_charge(p_id, array[p_project], p_now);
  update project set account_id = p_account, updated_at = p_now where project_id = p_project;
  insert into runtime (project_id, account_id, moved) values (p_project, p_account, true)
    on conflict (project_id) do update set account_id = p_account, moved = true, pending_nano_usd = 0,
      pending_since = null, carried_nano_usd = 0, requests = 0, cpu_us = 0, rows_read = 0, rows_written = 0,
      included_nano_usd = 0;
  update staged_file set account_id = p_account where account_id = v_from and name = v_name
    and not exists (select from staged_file s where s.account_id = p_account and s.name = v_name);
  delete from claim_link where project_id = p_project;
end $$;
`
