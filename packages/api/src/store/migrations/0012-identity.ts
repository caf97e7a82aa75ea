/** People: who is signed in with which browser, by what they were known, and links by which projects are claimed. */
export const identity = `
-- A browser that is signed in. Of its cookie, only the sha256 is kept.
create table sign_in (
  hash bytea primary key,
  account_id text not null references account,
  signed_in_at timestamptz not null,
  expires_at timestamptz not null
);
create index sign_in_expiry on sign_in (expires_at);

-- By what somebody else's sign-in knows the owner of an account, such as github and its number of the user.
create table identity (
  provider text not null,
  subject text not null,
  account_id text not null references account,
  created_at timestamptz not null default now(),
  primary key (provider, subject)
);

-- What was asked of somebody and counts once: the nonce of a message that a wallet signs, the state of a way to another
-- server and back.
create table nonce (
  nonce text primary key,
  purpose text not null,
  bound_to text not null, -- the browser or the account that may answer
  detail jsonb not null,
  expires_at timestamptz not null
);
create index nonce_expiry on nonce (expires_at);

-- Who has the link of a project that a wallet deployed may attach it to an account, once.
create table claim_link (
  project_id text primary key references project on delete cascade,
  hash bytea not null unique,
  expires_at timestamptz not null
);
`
