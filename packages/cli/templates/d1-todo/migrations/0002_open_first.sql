create index todo_open_first on todo (done, id);
