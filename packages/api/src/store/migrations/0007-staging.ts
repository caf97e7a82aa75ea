/** Source files that wait for their deploy, and who changed which variable when. */
export const staging = `
create table staged_file (
  account_id text not null references account,
  name text not null,
  path text not null,
  content bytea not null,
  updated_at timestamptz not null default now(),
  primary key (account_id, name, path)
);
create index staged_file_updated on staged_file (updated_at);

create table env_change (
  change_id bigint generated always as identity primary key,
  project_id text not null references project on delete cascade,
  name text not null,
  action text not null check (action in ('set', 'deleted')),
  token_id text,
  at timestamptz not null default now()
);
create index env_change_project on env_change (project_id, change_id);
`
