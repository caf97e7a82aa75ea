/** The schedule of what is live: when each expression is due next, and how it went last. */
export const cron = `
create table cron (
  project_id text not null references project on delete cascade,
  expression text not null,
  next_at timestamptz,
  -- Somebody runs it and says so again before this time.
  running_until timestamptz,
  last_at timestamptz,
  last_outcome text,
  primary key (project_id, expression)
);
create index cron_next on cron (next_at);
create index cron_running on cron (running_until) where running_until is not null;
`
