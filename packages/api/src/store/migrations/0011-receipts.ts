/**
 * Receipts: what an account sees of each entry of the ledger, sealed into a chain of its own.
 *
 * An entry is due for a receipt from the transaction on that makes it. Its position in the chain is given when it is
 * sealed, under a lock of the chain, so that what commits at the same time cannot change its place. Money never waits
 * for that lock.
 */
export const receipts = `
-- What a transfer is made of, in the words of the wire.
create table ledger_detail (transfer_id text primary key, detail jsonb not null);
create trigger ledger_detail_stays before update or delete on ledger_detail
  for each row execute function ledger_transfer_stays();
create trigger ledger_detail_stays_whole before truncate on ledger_detail
  for each statement execute function ledger_transfer_stays();

-- What receipts were ever signed with.
create table receipt_key (key_id text primary key, public_key text not null, used_at timestamptz not null);

create table receipt_chain (
  account_id text primary key,
  position bigint not null default 0, -- of the last receipt
  last_hash text
) with (fillfactor = 50); -- room to update rows in place

create table receipt (
  account_id text not null,
  position bigint not null,
  transfer_id text not null,
  project_id text,
  receipt json not null, -- as it was signed
  primary key (account_id, position),
  unique (account_id, transfer_id)
);
create trigger receipt_stays before update or delete on receipt
  for each row execute function ledger_transfer_stays();
create trigger receipt_stays_whole before truncate on receipt
  for each statement execute function ledger_transfer_stays();

-- Entries that have no receipt yet, for each account that they concern.
create table receipt_due (account_id text not null, seq bigint not null, primary key (account_id, seq));
insert into receipt_due
  select t.account_id, t.seq from ledger_transfer t where t.kind not in ('reserve', 'release')
  union select s.account_id, t.seq from ledger_transfer t join session s using (session_id);

create function receipt_note() returns trigger language plpgsql as $$
begin
  insert into receipt_due
    select new.account_id, new.seq
    union select account_id, new.seq from session where session_id = new.session_id;
  return null;
end $$;
create trigger receipt_note after insert on ledger_transfer for each row
  when (new.kind not in ('reserve', 'release')) execute function receipt_note();

alter table runtime -- since the last charge
  add requests bigint not null default 0,
  add cpu_us bigint not null default 0,
  add rows_read bigint not null default 0,
  add rows_written bigint not null default 0,
  add included_nano_usd bigint not null default 0,
  add carried_nano_usd bigint not null default 0; -- what that charge left pending
update runtime set carried_nano_usd = pending_nano_usd where pending_nano_usd > 0;

-- As before, and notes what each charge is made of: cost of what is counted - included + carried in - carried out.
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
      'carried_in_nano_usd', v_it.carried_nano_usd::text, 'carried_out_nano_usd', v_left::text));
    update runtime set pending_nano_usd = v_left, carried_nano_usd = v_left, charged_at = p_now,
      requests = 0, cpu_us = 0, rows_read = 0, rows_written = 0, included_nano_usd = 0
      where project_id = v_it.project_id;
  end loop;
end $$;

-- As before, and counts what a charge will be made of.
create or replace function runtime_store(
  p_server text, p_number bigint, p_now timestamptz,
  p_project text[], p_cost_nano_usd bigint[], p_requests bigint[], p_errors bigint[], p_cpu_us bigint[],
  p_rows_read bigint[], p_rows_written bigint[], p_egress_requests bigint[], p_egress_bytes bigint[],
  p_latency text[]
) returns setof text language plpgsql as $$
declare
  v_day date := (p_now at time zone 'UTC')::date;
  v_risky text[];
  v_over text[];
  v_account text;
  v_available bigint;
  v_pending bigint;
begin
  perform runtime_lock();
  insert into meter_batch as had values (p_server, p_number, p_now)
    on conflict (server) do update set number = excluded.number, at = excluded.at
    where had.number < excluded.number;
  if not found then return; end if;

  -- Accounts whose balance might not last, and projects that might exceed a budget.
  select array_agg(account_id order by account_id) into v_risky from (
    select p.account_id, sum(it.cost) as cost
    from unnest(p_project, p_cost_nano_usd) as it (project_id, cost) join project p using (project_id)
    where it.cost > 0 group by p.account_id
  ) used left join ledger_account a using (account_id)
  where coalesce(a.available_micro_usd, 0) * 1000 <= used.cost
    + (select coalesce(sum(r.pending_nano_usd), 0) from runtime r where r.account_id = used.account_id);
  select array_agg(p.project_id) into v_over
  from unnest(p_project, p_cost_nano_usd) as it (project_id, cost)
  join project p using (project_id) left join runtime r using (project_id)
  where it.cost > 0 and (
    coalesce(r.spent_nano_usd, 0) + it.cost >= p.budget_micro_usd * 1000
    or case when r.day = v_day then r.day_nano_usd else 0 end + it.cost >= p.daily_budget_micro_usd * 1000);
  if v_risky is not null or v_over is not null then
    perform from project
      where status = 'active' and (account_id = any(v_risky) or project_id = any(v_over))
      order by project_id for no key update;
  end if;

  insert into usage_minute as had (project_id, minute, requests, errors, cpu_us, rows_read, rows_written,
    egress_requests, egress_bytes, latency)
  select it.project_id, date_trunc('minute', p_now, 'UTC'), it.requests, it.errors, it.cpu_us, it.rows_read,
    it.rows_written, it.egress_requests, it.egress_bytes, it.latency::int[]
  from unnest(p_project, p_requests, p_errors, p_cpu_us, p_rows_read, p_rows_written, p_egress_requests,
    p_egress_bytes, p_latency)
    as it (project_id, requests, errors, cpu_us, rows_read, rows_written, egress_requests, egress_bytes, latency)
  where exists (select from project where project.project_id = it.project_id)
  order by it.project_id
  on conflict (project_id, minute) do update set
    requests = had.requests + excluded.requests,
    errors = had.errors + excluded.errors,
    cpu_us = had.cpu_us + excluded.cpu_us,
    rows_read = had.rows_read + excluded.rows_read,
    rows_written = had.rows_written + excluded.rows_written,
    egress_requests = had.egress_requests + excluded.egress_requests,
    egress_bytes = had.egress_bytes + excluded.egress_bytes,
    latency = case when excluded.latency = '{}' then had.latency
      else usage_latency(had.latency, excluded.latency) end;

  insert into runtime (project_id, account_id)
  select p.project_id, p.account_id
  from unnest(p_project, p_cost_nano_usd) as it (project_id, cost) join project p using (project_id)
  where it.cost > 0 and not exists (select from runtime r where r.project_id = it.project_id);
  update runtime r set
    included_used_nano_usd = r.included_used_nano_usd + it.included,
    pending_nano_usd = r.pending_nano_usd + it.beyond,
    pending_since = case when r.pending_nano_usd < 1000 then p_now else r.pending_since end,
    spent_nano_usd = r.spent_nano_usd + it.beyond,
    day = v_day,
    day_nano_usd = case when r.day = v_day then r.day_nano_usd else 0 end + it.beyond,
    requests = r.requests + it.requests,
    cpu_us = r.cpu_us + it.cpu_us,
    rows_read = r.rows_read + it.rows_read,
    rows_written = r.rows_written + it.rows_written,
    included_nano_usd = r.included_nano_usd + it.included
  from (
    select project_id, included, cost - included as beyond, used.requests, used.cpu_us, used.rows_read, used.rows_written
    from unnest(p_project, p_cost_nano_usd, p_requests, p_cpu_us, p_rows_read, p_rows_written)
      as used (project_id, cost, requests, cpu_us, rows_read, rows_written)
    join project p using (project_id) join runtime had using (project_id),
    lateral (select least(cost, greatest(p.included_micro_usd * 1000 - had.included_used_nano_usd, 0)) as included) drawn
    where cost > 0
  ) it
  where r.project_id = it.project_id;

  foreach v_account in array coalesce(v_risky, '{}') loop
    select available_micro_usd into v_available from ledger_account where account_id = v_account for update;
    select coalesce(sum(pending_nano_usd), 0) into v_pending from runtime where account_id = v_account;
    continue when v_available * 1000 > v_pending;
    perform runtime_charge('run_' || p_server || '.' || p_number, array_agg(project_id), p_now)
      from runtime where account_id = v_account;
    return query select project_suspend(array_agg(p.project_id), 'balance', array_agg(jsonb_build_object(
        'owed_nano_usd', coalesce(r.pending_nano_usd, 0))), p_now)
      from project p left join runtime r using (project_id)
      where p.account_id = v_account and p.status = 'active' and p.live_deployment_id is not null
        and p.included_micro_usd * 1000 <= coalesce(r.included_used_nano_usd, 0);
  end loop;

  if v_over is not null then
    return query select project_suspend(array_agg(p.project_id), 'budget', array_agg(jsonb_build_object(
        'budget', case when over_total then 'total' else 'daily' end,
        'limit_micro_usd', case when over_total then p.budget_micro_usd else p.daily_budget_micro_usd end,
        'spent_nano_usd', case when over_total then r.spent_nano_usd else r.day_nano_usd end)), p_now)
      from project p join runtime r using (project_id),
        lateral runtime_over(p, r, v_day) as it (over_total, over_daily)
      where p.project_id = any(v_over) and p.status = 'active' and (over_total or over_daily);
  end if;
end $$;
`
