/** What a request under a key makes, so that a repeat after a crash finds it; and whether the request was cut off. */
export const idempotency = `
alter table idempotency add column work_id text not null default '';
alter table idempotency add column lost boolean not null default false;
`
