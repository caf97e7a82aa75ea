import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import { type Connection, type Db, openDatabase } from '../database.ts'
import { clientOf, within } from './postgres.ts'

export interface TestDatabase extends AsyncDisposable {
  db: Db
  /** For a process of its own; JSON. */
  connection: Connection
  drop(): Promise<void>
}

/**
 * A new database with the whole schema, for one test (`await using database = await testDatabase()`) or for a file
 * (`afterAll(() => database.drop())`).
 */
export async function testDatabase(): Promise<TestDatabase> {
  const { connection: server, template, prefix } = inject('postgres')
  const name = prefix + randomBytes(6).toString('hex')
  await administer(server, `create database ${name} template ${template}`)
  const connection = within(server, name)
  const db = openDatabase({ connection, poolSize: 20 })
  const drop = async () => {
    await db.destroy()
    await administer(server, `drop database if exists ${name} with (force)`)
  }
  return { db, connection, drop, [Symbol.asyncDispose]: drop }
}

async function administer(server: Connection, statement: string): Promise<void> {
  const client = clientOf(server)
  await client.connect()
  await client.query(statement).finally(() => client.end())
}
