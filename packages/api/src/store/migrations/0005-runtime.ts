/**
 * What apps use and what becomes of it: usage by the minute, its cost, and projects that are suspended for it.
 *
 * A cost is drawn from the project's included runtime first. What is left is pending, and charged to the account in
 * whole micro-USD, now and then by `runtime_charge`, and at once when the balance would not last longer. Pending costs
 * are as good as charged: whether a balance is used up is decided against both. So included + charged + pending is
 * exactly what was used, at any moment.
 *
 * Locks are taken in this order, here and elsewhere: projects, usage, runtime, accounts.
 */
export const runtime = `
alter table usage_minute -- cpu_ms stays for replicas of the version before
  add cpu_us bigint not null default 0,
  add rows_read bigint not null default 0,
  add rows_written bigint not null default 0,
  add egress_requests bigint not null default 0,
  add egress_bytes bigint not null default 0,
  add latency int[] not null default '{}';
alter table usage_minute set (fillfactor = 50); -- room to update rows in place
update usage_minute set cpu_us = floor(cpu_ms * 100)::bigint * 10;

alter table project
  add daily_budget_micro_usd bigint check (daily_budget_micro_usd >= 0),
  add included_micro_usd bigint not null default 0, -- runtime that its deploys brought along, used or not
  add suspension text check (suspension in ('balance', 'budget', 'runaway')),
  add suspended_at timestamptz,
  add evidence jsonb;

create table runtime (
  project_id text primary key references project on delete cascade,
  account_id text not null,
  included_used_nano_usd bigint not null default 0,
  pending_nano_usd bigint not null default 0 check (pending_nano_usd >= 0),
  pending_since timestamptz,
  charged_at timestamptz,
  spent_nano_usd bigint not null default 0, -- beyond what is included: charged and pending
  day date, -- in UTC; what was spent on it
  day_nano_usd bigint not null default 0
) with (fillfactor = 50);
create index runtime_account on runtime (account_id);

-- The last batch of each run of a server that was stored.
create table meter_batch (server text primary key, number bigint not null, at timestamptz not null);

create table strike (
  strike_id bigint generated always as identity primary key,
  project_id text not null references project on delete cascade,
  deployment_id text not null,
  at timestamptz not null,
  reason text not null,
  detail text not null,
  cpu_ms double precision,
  memory_bytes bigint
);
create unique index strike_project on strike (project_id, at);

-- Whoever changes runtime rows, one after the other.
create function runtime_lock() returns void language sql as $$
  select pg_advisory_xact_lock(hashtextextended('jack runtime', 0))
$$;

create function project_suspend(p_projects text[], p_code text, p_evidence jsonb[], p_now timestamptz)
returns setof text language sql as $$
  with suspended as (
    update project set status = 'suspended', suspension = p_code, suspended_at = p_now, evidence = it.evidence,
      updated_at = p_now
    from unnest(p_projects, p_evidence) as it (project_id, evidence)
    where project.project_id = it.project_id and project.status = 'active'
    returning project.project_id, label
  )
  select project_id from (
    select project_id, pg_notify('project_changed', label), pg_notify('project_suspended', project_id)
    from suspended) told
$$;

-- Whether a project has spent its budgets. Whoever has spent nothing has not, whatever the budget is.
create function runtime_over(p project, r runtime, p_day date, out over_total boolean, out over_daily boolean)
language sql immutable as $$
  select
    coalesce(r.spent_nano_usd > 0 and r.spent_nano_usd >= p.budget_micro_usd * 1000, false),
    coalesce(r.day = p_day and r.day_nano_usd > 0 and r.day_nano_usd >= p.daily_budget_micro_usd * 1000, false)
$$;

-- Adds up two histograms, of which one may be longer.
create function usage_latency(a int[], b int[]) returns int[] language sql immutable as $$
  select coalesce(array_agg(coalesce(x, 0) + coalesce(y, 0) order by step), '{}')
  from unnest(a, b) with ordinality as it (x, y, step)
$$;

-- Charges what is pending of projects, in whole micro-USD, as far as their accounts have it.
create function runtime_charge(p_id text, p_projects text[], p_now timestamptz)
returns void language plpgsql as $$
declare
  v_it runtime;
  v_charged bigint;
begin
  perform runtime_lock();
  for v_it in
    select * from runtime where project_id = any(p_projects) and pending_nano_usd >= 1000
    order by account_id, project_id
  loop
    select charged into v_charged from ledger_charge(
      p_id || ':' || v_it.project_id, v_it.account_id, v_it.pending_nano_usd / 1000, true, 'revenue', 'runtime',
      to_char(v_it.pending_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z/"')
        || to_char(p_now at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
      v_it.project_id, null, null);
    update runtime
      set pending_nano_usd = pending_nano_usd - coalesce(v_charged, 0) * 1000, charged_at = p_now
      where project_id = v_it.project_id;
  end loop;
end $$;

-- Stores a batch once, however often it comes, and answers the projects that it suspended.
create function runtime_store(
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
    day_nano_usd = case when r.day = v_day then r.day_nano_usd else 0 end + it.beyond
  from (
    select project_id, included, cost - included as beyond
    from unnest(p_project, p_cost_nano_usd) as used (project_id, cost)
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
