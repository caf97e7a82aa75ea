create table todo (
  id integer primary key,
  title text not null check (length(title) between 1 and 200),
  done integer not null default 0,
  created_at text not null default current_timestamp
);
