import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { JackError } from '../Errors.ts'
import type { Schema } from './schema.ts'

/**
 * The database, or a transaction in it: every function of the store takes one first, so that a verb can put
 * several of them into one transaction.
 */
export type Db = Kysely<Schema>

/** Where Postgres answers: a URL, or host (also the folder of a unix socket), user, database ... */
export type Connection = string | pg.ConnectionConfig

export interface DatabaseOptions {
  connection: Connection
  /**
   * Commits are on disk soon after they are answered, not before. Order is kept: whatever is committed durably later
   * carries them along. For writes whose loss in a crash of the database errs to the customer's side.
   */
  relaxed?: boolean
  /** Most connections at once. */
  poolSize?: number
  /** Hears about connections that broke. */
  onError?: (error: Error) => void
}

/**
 * Opens a pool; the first query connects. `await db.destroy()` closes it.
 *
 * bigint columns are `bigint` in JavaScript, and dates without time are strings: both as they are, not as a guess.
 * Needs direct connections, not a pooler in transaction mode: advisory locks and timeouts belong to the session.
 */
export function openDatabase({
  connection,
  relaxed = false,
  poolSize = 10,
  onError,
}: DatabaseOptions): Db {
  const report = onError ?? (() => {})
  const pool = new pg.Pool({
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    max: poolSize,
    types: { getTypeParser },
    application_name: 'jack',
    ...(relaxed && { options: '-c synchronous_commit=off' }),
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    statement_timeout: 30_000,
    lock_timeout: 15_000,
    // A replica that freezes inside a transaction must not hold its locks for ever.
    idle_in_transaction_session_timeout: 60_000,
  })
  // A connection may break while nobody uses it, or between two statements of a transaction. Without a listener
  // that 'error' event would end the process; the next statement fails as it should.
  pool.on('connect', (client) => client.on('error', report))
  pool.on('error', () => {})
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })
}

/** `unavailable` when a statement failed because the database is away or went away; undefined for any other error. */
export function databaseGone(error: unknown): JackError | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, syscall } = error as { code?: unknown; syscall?: unknown }
  const gone =
    syscall !== undefined
      ? typeof code === 'string' &&
        /^(ECONN|EPIPE|ENOENT|ETIMEDOUT)/.test(code) &&
        fromSocket(syscall)
      : typeof code === 'string'
        ? /^(08|57P0[1-4])/.test(code)
        : /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect)/.test(
            error.message,
          )
  if (!gone) return undefined
  return new JackError('unavailable', 'The database does not answer right now.', {
    hint: 'Try again in a few seconds; with the same Idempotency-Key nothing happens twice.',
    retryAfterSeconds: 1,
    cause: error,
  })
}

/** `invalid_request` when a text had something in it that Postgres keeps in no text: NUL, or half a surrogate pair. */
export function unstorable(error: unknown): JackError | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  if (code !== '22021' && code !== '22P05' && !(code === '22P02' && /json/.test(error.message)))
    return undefined
  return new JackError('invalid_request', 'The request has a character that no text can have.', {
    hint: 'Leave out NUL characters, and halves of surrogate pairs.',
    cause: error,
  })
}

/** Whether a row was refused because there is one like it. */
export const isDuplicate = (error: unknown): boolean =>
  error instanceof Error && (error as { code?: unknown }).code === '23505'

const fromSocket = (syscall: unknown): boolean =>
  syscall === 'connect' || syscall === 'read' || syscall === 'write'

const INT8 = 20
const DATE = 1082

function getTypeParser(oid: number, format?: 'text' | 'binary') {
  if (oid === INT8) return BigInt
  if (oid === DATE) return String
  return pg.types.getTypeParser(oid, format as 'text')
}
