import { createReadStream } from 'node:fs'
import { access, cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from } from 'pg-copy-streams'
import { Backup } from '../Backup.ts'
import { JackError } from '../Errors.ts'
import type { Connection, Db } from './database.ts'
import { keyCheck } from './env.ts'
import { encryptionKey } from './keyFile.ts'
import { migrate } from './migrate.ts'
import { migrations } from './migrations/index.ts'
import { columnsOf } from './snapshot.ts'

export interface Restore {
  dataDir: string
  db: Db
  connection: Connection
  /** As the configuration gives it. */
  encryptionKey: string | undefined
  /** Where projects keep their data. */
  stateDir: () => string
}

/**
 * Brings back the backup that was unpacked into `<dataDir>/restore`, if there is one; answers it. What was cut off goes
 * on with the next start. Throws `conflict` when this database, this key or this version of Jack does not fit.
 */
export async function finishRestore(it: Restore): Promise<Backup | undefined> {
  const folder = join(it.dataDir, 'restore')
  const text = await readFile(join(folder, 'backup.json'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const backup = Backup.parse(JSON.parse(text))
  const unknown = backup.migrations.filter((name) => !Object.hasOwn(migrations, name))
  if (unknown.length > 0) {
    throw new JackError(
      'conflict',
      `The backup is newer than this Jack: it has ${unknown.join(', ')}.`,
      {
        hint: 'Restore it with the version that made it, or a later one.',
      },
    )
  }
  await moveAll(join(folder, 'secrets'), it.dataDir)
  await requireKey(it, backup)
  await moveBlobs(join(folder, 'blobs'), join(it.dataDir, 'blobs'))
  await moveAll(join(folder, 'state'), it.stateDir())
  await load(it, backup, join(folder, 'database'))
  await rm(folder, { recursive: true })
  return backup
}

async function requireKey(it: Restore, backup: Backup): Promise<void> {
  const given = it.encryptionKey !== undefined || backup.has_key
  if (given) {
    const key = await encryptionKey(it.encryptionKey, join(it.dataDir, 'encryption.key'))
    if (keyCheck(key) === backup.key_check) return
  }
  throw new JackError('conflict', 'The environment of the backup was sealed with another key.', {
    hint: backup.has_key
      ? 'Start without JACK_ENCRYPTION_KEY: the key is in the backup.'
      : 'Set JACK_ENCRYPTION_KEY to the key that the cloud had.',
  })
}

/** Loads every table in one transaction into a database that has nothing yet. */
async function load({ db, connection }: Restore, backup: Backup, folder: string): Promise<void> {
  const client = new pg.Client(
    typeof connection === 'string' ? { connectionString: connection } : connection,
  )
  client.on('error', () => {})
  await client.connect()
  try {
    if (await isLoaded(client, backup)) return
    // First as it was, so that later migrations find the rows that they change.
    const then = Object.entries(migrations).filter(([name]) => backup.migrations.includes(name))
    await requireEmpty(client, new Set(backup.migrations))
    await migrate(db, Object.fromEntries(then))
    await client.query('begin')
    const foreign = await client.query<{ table: string; name: string; definition: string }>(
      `select conrelid::regclass::text as table, quote_ident(conname) as name, pg_get_constraintdef(oid) as definition
       from pg_constraint where contype = 'f' and connamespace = current_schema::regnamespace`,
    )
    for (const it of foreign.rows)
      await client.query(`alter table ${it.table} drop constraint ${it.name}`)
    const files = await readdir(folder).catch(() => [])
    for (const table of backup.tables) {
      const name = pg.escapeIdentifier(table.name)
      await client.query(`alter table ${name} disable trigger user`)
      await client.query(`truncate ${name}`)
      await pipeline(
        Readable.from(rowsOf(folder, files, table.name)),
        client.query(from(`copy ${columnsOf(table)} from stdin`)),
      )
      await client.query(`alter table ${name} enable trigger user`)
    }
    for (const it of foreign.rows)
      await client.query(`alter table ${it.table} add constraint ${it.name} ${it.definition}`)
    await continueIdentities(client)
    await client.query('insert into periodic (name, started_at) values ($1, now())', [
      `restored ${backup.id}`,
    ])
    await client.query('commit')
  } finally {
    await client.end()
  }
}

async function isLoaded(client: pg.Client, backup: Backup): Promise<boolean> {
  const { rows } = await client.query("select to_regclass('periodic') is not null as there")
  if (!rows[0]?.there) return false
  const found = await client.query('select from periodic where name = $1', [
    `restored ${backup.id}`,
  ])
  return found.rowCount !== 0
}

async function requireEmpty(client: pg.Client, wanted: ReadonlySet<string>): Promise<void> {
  const { rows } = await client.query("select to_regclass('migration') is not null as there")
  if (!rows[0]?.there) return
  const applied = await client.query<{ name: string }>('select name from migration')
  const accounts = await client.query('select from account limit 1')
  if (accounts.rowCount === 0 && applied.rows.every(({ name }) => wanted.has(name))) return
  throw new JackError(
    'conflict',
    'The database that the backup would be restored into is in use.',
    {
      hint: 'Restore into a new data directory, and with DATABASE_URL into a new database.',
    },
  )
}

/** The pieces of a table, in their order. */
async function* rowsOf(folder: string, files: string[], table: string): AsyncGenerator<Buffer> {
  const pieces = files
    .filter((name) => name.startsWith(`${table}.`))
    .sort((a, b) => Number(a.slice(table.length + 1)) - Number(b.slice(table.length + 1)))
  for (const piece of pieces) yield* createReadStream(join(folder, piece))
}

/** New rows are numbered after those that were there. */
async function continueIdentities(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ table: string; column: string }>(
    `select attrelid::regclass::text as table, attname as column from pg_attribute
     join pg_class on pg_class.oid = attrelid
     where attidentity <> '' and relnamespace = current_schema::regnamespace`,
  )
  for (const { table, column } of rows) {
    const name = pg.escapeIdentifier(column)
    await client.query(
      `select setval(pg_get_serial_sequence($1, $2), coalesce(max(${name}), 0) + 1, false) from ${table}`,
      [table, column],
    )
  }
}

async function moveBlobs(folder: string, blobs: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const to = join(blobs, name.slice(0, 2))
    await mkdir(to, { recursive: true, mode: 0o700 })
    await rename(join(folder, name), join(to, name))
  }
}

/** Moves what is in a folder, also to another disk. What is there already stays as it is. */
async function moveAll(folder: string, to: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const there = await access(join(to, name)).then(
      () => true,
      () => false,
    )
    if (there) continue
    const draft = join(to, `${name}.restoring`)
    await rm(draft, { recursive: true, force: true })
    await cp(join(folder, name), draft, { recursive: true })
    await rename(draft, join(to, name))
  }
}
