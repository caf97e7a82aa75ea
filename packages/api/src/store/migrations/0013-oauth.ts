/**
 * OAuth. What a person gave to a client is a row of `token` from the consent on: it has its scopes, project, cap and end,
 * and keeps its id when its secret is changed by a refresh, so that a daily cap is one cap.
 */
export const oauth = `
alter table token
  add client_id text,
  add resource text check (resource in ('api', 'mcp')),
  add refresh_until timestamptz;

create table oauth_client (
  client_id text primary key,
  name text not null,
  redirect_uris text[] not null,
  created_at timestamptz not null default now(),
  used_at timestamptz
);

create table oauth_code (
  hash bytea primary key,
  token_id text not null references token on delete cascade,
  redirect_uri text not null,
  challenge text not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index oauth_code_expiry on oauth_code (expires_at);
create index oauth_code_token on oauth_code (token_id);

create table oauth_refresh (
  hash bytea primary key,
  token_id text not null references token on delete cascade,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index oauth_refresh_expiry on oauth_refresh (expires_at);
create index oauth_refresh_token on oauth_refresh (token_id);

create table oauth_device (
  hash bytea primary key,
  user_code text not null unique,
  client_id text not null,
  client_name text not null,
  device_name text,
  resource text not null check (resource in ('api', 'mcp')),
  scopes text[] not null,
  expires_at timestamptz not null,
  interval_seconds int not null,
  polled_at timestamptz,
  denied boolean not null default false,
  token_id text references token on delete cascade
);
create index oauth_device_expiry on oauth_device (expires_at);
create index oauth_device_token on oauth_device (token_id);
`
