import { randomBytes } from 'node:crypto'
import { readdir, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { type Connection, openDatabase } from '../database.ts'
import { openDataDirectory } from '../dataDirectory.ts'
import { stopPostmaster } from '../embedded/postmaster.ts'
import { startEmbedded } from '../embedded/startEmbedded.ts'
import { migrate } from '../migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The server of this run, the database to copy, and how the names of copies begin. */
    postgres: { connection: Connection; template: string; prefix: string }
  }
}

/** One Postgres for a whole run of the tests: our embedded one in a temporary folder, or that of DATABASE_URL. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { connection, stop } = process.env.DATABASE_URL
    ? { connection: process.env.DATABASE_URL, stop: async () => {} }
    : await startTemporary()
  try {
    const { client, prefix } = await claimNames(connection)
    const template = `${prefix}template`
    await client.query(`create database ${template}`)
    const db = openDatabase({ connection: within(connection, template), poolSize: 1 })
    await migrate(db).finally(() => db.destroy())
    project.provide('postgres', { connection, template, prefix })
    return async () => {
      await dropDatabases(client, prefix)
      await client.end()
      await stop()
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The same server, another database. */
export function within(connection: Connection, database: string): Connection {
  if (typeof connection !== 'string') return { ...connection, database }
  const url = new URL(connection)
  url.pathname = `/${database}`
  return url.href
}

export function clientOf(connection: Connection): pg.Client {
  const client = new pg.Client(connection)
  client.on('error', () => {})
  return client
}

const FOLDER = 'jack-postgres-'

async function startTemporary() {
  for (const name of await readdir(tmpdir()))
    if (name.startsWith(FOLDER)) await removeAbandoned(join(tmpdir(), name)).catch(() => {})
  const directory = openDataDirectory(join(tmpdir(), FOLDER + randomBytes(6).toString('hex')))
  const { connection, stop } = await startEmbedded({ dataDir: directory.path })
  return {
    connection,
    stop: async () => {
      await stop()
      await rm(directory.path, { recursive: true })
      directory.release()
    },
  }
}

/** What a killed run left. A run that lives holds its folder's lock, so that this throws. */
async function removeAbandoned(path: string): Promise<void> {
  const { mtimeMs } = await stat(path)
  if (Date.now() - mtimeMs < 60_000) return
  const cluster = join(await realpath(join(path, 'postgres')), 'cluster')
  const directory = openDataDirectory(path)
  try {
    await stopPostmaster(cluster)
    await rm(path, { recursive: true })
  } finally {
    directory.release()
  }
}

/** Picks how this run's databases are called, and drops those of killed runs: nobody holds the lock of their name. */
async function claimNames(connection: Connection): Promise<{ client: pg.Client; prefix: string }> {
  const client = clientOf(connection)
  await client.connect()
  const found = await client.query<{ prefix: string }>(
    "select distinct substring(datname from '^jack_test_[0-9a-f]{8}_') as prefix from pg_database where datname ~ '^jack_test_[0-9a-f]{8}_'",
  )
  const take = async (prefix: string): Promise<boolean> =>
    (await client.query('select pg_try_advisory_lock(hashtextextended($1, 0)) as it', [prefix]))
      .rows[0].it
  for (const { prefix } of found.rows) if (await take(prefix)) await dropDatabases(client, prefix)
  const prefix = `jack_test_${randomBytes(4).toString('hex')}_`
  await take(prefix)
  return { client, prefix }
}

async function dropDatabases(client: pg.Client, prefix: string): Promise<void> {
  const { rows } = await client.query<{ datname: string }>(
    'select datname from pg_database where starts_with(datname, $1)',
    [prefix],
  )
  for (const { datname } of rows)
    await client.query(`drop database if exists ${datname} with (force)`)
}
