import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Jack, JackError } from '@jackcloud/sdk'

/** A database, and what wrangler's conventions say about its migrations. */
export interface Migrations {
  project: string
  database: string
  folder: string
  /** The table that says what was applied. */
  table: string
}

/** The `.sql` files of the folder that were not applied yet, in their order. */
export async function pendingMigrations(jack: Jack, it: Migrations): Promise<string[]> {
  const files = (await readdir(it.folder).catch(() => noFolder(it.folder)))
    .filter((file) => file.endsWith('.sql'))
    .sort()
  const { results } = await jack.databases.query(it.project, it.database, {
    sql: `create table if not exists ${quoted(it.table)} (
        id integer primary key autoincrement, name text unique,
        applied_at timestamp default current_timestamp not null);
      select name from ${quoted(it.table)}`,
  })
  const applied = new Set(results.at(-1)?.rows.map(([name]) => name))
  return files.filter((file) => !applied.has(file))
}

/** Applies one, and notes that, in one transaction. Throws with the file's name when it fails: then nothing of it is. */
export async function applyMigration(jack: Jack, it: Migrations, file: string): Promise<void> {
  const sql = await readFile(join(it.folder, file), 'utf8')
  const note = { sql: `insert into ${quoted(it.table)} (name) values (?)`, params: [file] }
  try {
    await jack.databases.query(it.project, it.database, { batch: [{ sql }, note] })
  } catch (error) {
    if (!(error instanceof JackError)) throw error
    throw new JackError(error.code, `${file}: ${error.message}`, {
      status: error.status,
      requestId: error.requestId,
      hint: 'Nothing of this file was applied; those before it were.',
      fields: { ...error.fields, file },
      cause: error,
    })
  }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

function noFolder(folder: string): never {
  throw new JackError('usage', `There is no folder ${folder}.`, {
    hint: 'Put migrations into it, such as 0001_init.sql, or name another with --dir.',
  })
}
