/** What apps use, counted in whole numbers. `cpu_ms` stays for replicas of the version before. */
export const runtime = `
alter table usage_minute
  add cpu_us bigint not null default 0,
  add rows_read bigint not null default 0,
  add rows_written bigint not null default 0,
  add egress_requests bigint not null default 0,
  add egress_bytes bigint not null default 0,
  add latency int[] not null default '{}';
update usage_minute set cpu_us = floor(cpu_ms * 100)::bigint * 10;
`
