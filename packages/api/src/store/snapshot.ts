import type { Readable } from 'node:stream'
import pg from 'pg'
import { to } from 'pg-copy-streams'
import type { Connection } from './database.ts'
import { neededBlobs } from './deployments.ts'

export interface Table {
  name: string
  columns: string[]
}

/** The whole database as it was at one moment, while everybody goes on writing. */
export interface Snapshot {
  /** Names of the migrations that made its schema. */
  migrations: string[]
  tables: Table[]
  /** Ids of the projects. */
  projects: string[]
  /** Digests of the blobs that versions need: until the snapshot is closed, none is collected. */
  blobs: string[]
  /** A table in the text format of COPY. */
  rows(table: Table): Readable
  close(): Promise<void>
}

/** Tables that are made by starting, not by using. */
const own = ['migration']

export async function openSnapshot(connection: Connection): Promise<Snapshot> {
  const client = new pg.Client({
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    application_name: 'jack-snapshot',
    keepAlive: true,
  })
  client.on('error', () => {})
  await client.connect()
  const texts = async (query: string): Promise<string[]> =>
    (await client.query<[string]>({ text: query, rowMode: 'array' })).rows.map(([it]) => it)
  try {
    // What collects blobs is periodic work, and does not begin while somebody holds its lock.
    await client.query("select pg_advisory_lock(hashtextextended('jack periodic collect', 0))")
    await client.query('begin isolation level repeatable read read only')
    const { rows } = await client.query<Table>(tablesOf, [own])
    return {
      migrations: await texts('select name from migration order by name'),
      tables: rows,
      projects: await texts('select project_id from project'),
      blobs: await texts(
        `select distinct sha256 from (${neededBlobs}) as it where sha256 is not null`,
      ),
      rows: (table) => client.query(to(`copy ${columnsOf(table)} to stdout`)),
      close: () => client.end(),
    }
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
}

/** Tables of the schema with their columns, but for those that are computed. */
export const tablesOf = `
  select relname as name, array_agg(attname::text order by attnum) as columns
  from pg_class join pg_attribute on attrelid = pg_class.oid
  where relnamespace = current_schema::regnamespace and relkind = 'r' and attnum > 0
    and not attisdropped and attgenerated = '' and relname <> all ($1)
  group by relname order by relname`

/** @example columnsOf({ name: 'project', columns: ['name'] }) // '"project" ("name")' */
export const columnsOf = ({ name, columns }: Table): string =>
  `${pg.escapeIdentifier(name)} (${columns.map((it) => pg.escapeIdentifier(it)).join(', ')})`
