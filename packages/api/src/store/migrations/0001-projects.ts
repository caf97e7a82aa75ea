/** Accounts, tokens, projects, deployments, what they print and what they use. */
export const projects = `
create table account (
  account_id text primary key,
  slug text not null unique,
  kind text not null check (kind in ('local', 'wallet', 'person')),
  created_at timestamptz not null default now()
);

create table project (
  project_id text primary key,
  account_id text not null references account,
  name text not null,
  label text not null unique,
  status text not null default 'active' check (status in ('active', 'suspended', 'expired')),
  reason text,
  live_deployment_id text,
  env_revision text not null default '0',
  budget_micro_usd bigint check (budget_micro_usd >= 0),
  ttl_hours double precision,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (account_id, name)
);
create index project_expiry on project (expires_at) where expires_at is not null and status <> 'expired';

create table token (
  token_id text primary key,
  account_id text not null references account,
  name text not null,
  prefix text not null,
  hash bytea not null unique,
  scopes text[] not null,
  project_id text references project on delete cascade,
  daily_cap_micro_usd bigint,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index token_account on token (account_id, token_id);

create table deployment (
  deployment_id text primary key,
  project_id text not null references project on delete cascade,
  version jsonb not null,
  digest text not null,
  size_bytes bigint not null,
  created_at timestamptz not null default now()
);
create index deployment_project on deployment (project_id, deployment_id);

alter table project add foreign key (live_deployment_id) references deployment deferrable initially deferred;

-- Which version was live when: what a rollback goes back to.
create table promotion (
  promotion_id bigint generated always as identity primary key,
  project_id text not null references project on delete cascade,
  deployment_id text not null references deployment on delete cascade,
  at timestamptz not null default now()
);
create index promotion_project on promotion (project_id, promotion_id);

create table env_var (
  project_id text not null references project on delete cascade,
  name text not null,
  sealed bytea not null,
  updated_at timestamptz not null default now(),
  primary key (project_id, name)
);

create table log_line (
  line_id bigint generated always as identity primary key,
  project_id text not null references project on delete cascade,
  deployment_id text,
  at timestamptz not null,
  level smallint not null,
  message text not null
);
create index log_line_project on log_line (project_id, line_id);
create index log_line_at on log_line (at);

create table usage_minute (
  project_id text not null references project on delete cascade,
  minute timestamptz not null,
  requests bigint not null default 0,
  errors bigint not null default 0,
  cpu_ms double precision not null default 0,
  primary key (project_id, minute)
);

create table idempotency (
  account_id text not null references account,
  key text not null,
  fingerprint text not null,
  status int,
  body text,
  created_at timestamptz not null default now(),
  primary key (account_id, key)
);
create index idempotency_created on idempotency (created_at);
`
