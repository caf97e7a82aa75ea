/**
 * Lines know their request and who said them; and how much there is of each project's log is kept, so that nobody has
 * to count it to find what is over its size or its age.
 */
export const logs = `
alter table log_line add column request_id text;
alter table log_line add column kind text not null default 'console'
  check (kind in ('console', 'exception', 'notice'));

create table log_extent (
  project_id text primary key references project on delete cascade,
  lines bigint not null,
  bytes bigint not null,
  oldest_at timestamptz not null
) with (fillfactor = 50); -- room to update rows in place
insert into log_extent
  select project_id, count(*), sum(octet_length(message)), min(at) from log_line group by project_id;

drop index log_line_at;
`
