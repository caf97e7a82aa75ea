/** Trusts: whose proofs of identity are exchanged for tokens; and what was done with which token. */
export const trust = `
create table trust (
  trust_id text primary key,
  account_id text not null references account,
  issuer text not null,
  subject text not null,
  project_id text not null references project on delete cascade,
  scopes text[] not null,
  daily_cap_micro_usd bigint not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  unique (account_id, issuer, subject, project_id)
);
create index trust_issuer on trust (issuer);

-- Tokens of one trust spend from one daily cap, which has the id of the trust.
alter table token add trust_id text references trust on delete cascade;
create index token_trust on token (trust_id) where trust_id is not null;

create table audit_entry (
  entry_id bigint generated always as identity primary key,
  account_id text not null references account,
  at timestamptz not null,
  operation text not null,
  project text,
  token_id text,
  address text not null,
  status int not null,
  request_id text not null
);
create index audit_entry_account on audit_entry (account_id, entry_id);
create index audit_entry_at on audit_entry (at);
`
