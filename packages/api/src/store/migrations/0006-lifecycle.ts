/** When projects were last used and when they were found to be over, so that those that nobody uses come to an end. */
export const lifecycle = `
alter table project add column active_at timestamptz not null default now();
alter table project add column expired_at timestamptz;
update project set expired_at = now() where status = 'expired';
create index project_expired on project (expired_at) where status = 'expired';
create index usage_minute_at on usage_minute (minute);
create index ledger_transfer_funded on ledger_transfer (created_at)
  where debit = 'external' and credit = 'available';
`
