/** When periodic work last began, so that many replicas do it as often as one. */
export const periodic = `
create table periodic (
  name text primary key,
  started_at timestamptz not null
);
`
