import { type ChildProcess, spawn } from 'node:child_process'
import { open, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Binaries, prepareBinaries } from './binaries.ts'
import { createCluster } from './cluster.ts'
import { type Home, openHome } from './home.ts'
import { capLog, tail } from './log.ts'
import { runningPostmaster, startedFrom, stopPostmaster, withoutForeignLock } from './postmaster.ts'

export interface EmbeddedOptions {
  /** Exists already, and only one process uses it: see `openDataDirectory`. */
  dataDir: string
  logger?: { info(message: string): void; warn(message: string): void }
}

export interface Embedded {
  connection: { host: string; port: number; user: string; database: string }
  /** The server of a killed predecessor was still running. */
  adopted: boolean
  startedMs: number
  /** Ends the server: running transactions are rolled back, everything committed is on disk. */
  stop(): Promise<void>
}

/**
 * Postgres from npm, for one machine: no installation, no port, no password.
 *
 * The server is a process of its own that outlives a killed Jack, keeps its data in `<dataDir>/postgres`, and answers
 * on a unix socket that only its user (and root) can open. It is started again when it dies.
 */
export async function startEmbedded({ dataDir, logger }: EmbeddedOptions): Promise<Embedded> {
  const startedAt = performance.now()
  const home = await openHome(dataDir)
  const binaries = await prepareBinaries(home)
  await createCluster(home, binaries)

  let server = await serve(home, binaries)
  const { adopted } = server
  await ensureDatabase(server.socket)

  let stopping = false
  let repairing: Promise<void> = Promise.resolve()
  const guard = () => {
    void server.ended.then(() => {
      if (!stopping) repairing = repair()
    })
  }
  const repair = async () => {
    logger?.warn('Postgres ended unexpectedly; starting it again.')
    for (let pauseMs = 100; !stopping; pauseMs = Math.min(pauseMs * 2, 30_000)) {
      try {
        server = await serve(home, binaries)
        logger?.info('Postgres runs again.')
        return guard()
      } catch (error) {
        logger?.warn(`Postgres did not start: ${(error as Error).message}`)
        await sleep(pauseMs)
      }
    }
  }
  guard()
  const cap = setInterval(() => void capLog(home.log).catch(() => {}), 60_000).unref()

  const stop = async () => {
    stopping = true
    clearInterval(cap)
    await repairing
    await stopPostmaster(home.cluster)
    // One outside of the home would stay behind for good.
    if (!home.socket.startsWith(home.path)) await rmdir(home.socket).catch(() => {})
  }
  let stopped: Promise<void> | undefined
  return {
    connection: { host: server.socket, port: PORT, user: USER, database: DATABASE },
    adopted,
    startedMs: Math.round(performance.now() - startedAt),
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

const USER = 'jack'
const DATABASE = 'jack'
/** Only names the socket: nothing listens on the network. */
const PORT = 5432

interface Server {
  socket: string
  adopted: boolean
  ended: Promise<unknown>
}

async function serve(home: Home, binaries: Binaries): Promise<Server> {
  // After a kill -9 its lock stays taken until the dead server is reaped and its last children have noticed. And a
  // server that a killed predecessor had only just spawned may take the lock first.
  for (const deadline = Date.now() + 20_000; ; await sleep(200)) {
    const server =
      (await adopt(home, binaries)) ?? (await launch(home, binaries, Date.now() < deadline))
    if (server) return server
  }
}

/**
 * The server that a killed predecessor left running; also waits for one that is starting or stopping. One that other
 * binaries run is stopped: they may be of an older version, or deleted, and then it cannot load its libraries.
 */
async function adopt(home: Home, binaries: Binaries): Promise<Server | undefined> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(20)) {
    const postmaster = await runningPostmaster(home.cluster)
    if (!postmaster) return undefined
    const { pid, socket } = postmaster
    if (!(await startedFrom(join(binaries.bin, 'postgres'), pid))) {
      await stopPostmaster(home.cluster)
      return undefined
    }
    if (await answers(socket)) return { socket, adopted: true, ended: gone(home.cluster) }
  }
  throw new Error(
    `Postgres runs in ${home.cluster} but does not answer. The end of ${home.log}:\n${await tail(home.log)}`,
  )
}

async function gone(cluster: string): Promise<void> {
  while (await runningPostmaster(cluster)) await sleep(1_000, undefined, { ref: false })
}

/** Undefined when another server has the lock, which is an error unless it `mayWait`. */
async function launch(
  home: Home,
  binaries: Binaries,
  mayWait: boolean,
): Promise<Server | undefined> {
  await capLog(home.log)
  await withoutForeignLock(home.cluster)
  const log = await open(home.log, 'a', 0o600)
  if (home.user) await log.chown(home.user.uid, home.user.gid)
  const from = (await log.stat()).size
  const child = spawn(join(binaries.bin, 'postgres'), serverArguments(home), {
    ...home.user,
    cwd: '/',
    env: binaries.env,
    stdio: ['ignore', log.fd, log.fd],
    // A group of its own: Ctrl-C in the terminal ends Jack, which then ends Postgres.
    detached: true,
  })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(`exit ${code ?? signal}`))
  })
  child.unref()
  await log.close()

  if (await ready(home, child)) return { socket: home.socket, adopted: false, ended }
  const output = await tail(home.log, from)
  const locked = /lock file .* already exists|pre-existing shared memory block/.test(output)
  if (locked && mayWait) return undefined
  throw new Error(`Postgres did not start (${await ended}):\n${output}`)
}

function serverArguments(home: Home): string[] {
  const settings = {
    listen_addresses: '',
    port: PORT,
    unix_socket_directories: home.socket,
    unix_socket_permissions: '0700',
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    // Where a plain fsync leaves data in the disk's cache.
    ...(process.platform === 'darwin' ? { wal_sync_method: 'fsync_writethrough' } : {}),
    max_connections: 100,
    shared_buffers: '64MB',
    jit: 'off',
    io_method: 'sync',
    // Parallel workers want /dev/shm, of which containers have little.
    max_parallel_workers_per_gather: 0,
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Statements carry what people stored; they are none of the log's business.
    log_min_error_statement: 'panic',
  }
  return ['-D', home.cluster, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])]
}

/** Whether it came to answer, rather than exit. Recovery after a crash may take its time. */
async function ready(home: Home, child: ChildProcess): Promise<boolean> {
  for (const deadline = Date.now() + 300_000; Date.now() < deadline; await sleep(10)) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
      return false
    if (await answers(home.socket)) return true
  }
  throw new Error(`Postgres takes more than 5 minutes to start. See ${home.log}`)
}

async function answers(socket: string): Promise<boolean> {
  return withClient(socket, (client) => client.query('select 1')).then(
    () => true,
    () => false,
  )
}

async function ensureDatabase(socket: string): Promise<void> {
  await withClient(socket, async (client) => {
    for (const deadline = Date.now() + 20_000; ; await sleep(50)) {
      const found = await client.query('select from pg_database where datname = $1', [DATABASE])
      if (found.rowCount !== 0) return
      try {
        await client.query(`create database ${DATABASE}`)
        return
      } catch (error) {
        const { code = '' } = error as { code?: string }
        if (!BEING_MADE.has(code) || Date.now() > deadline) throw error
      }
    }
  })
}

/** The statement of a predecessor that was killed meanwhile still runs: duplicates, and a template in use. */
const BEING_MADE = new Set(['23505', '42P04', '55006'])

async function withClient<T>(socket: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    host: socket,
    port: PORT,
    user: USER,
    database: 'postgres',
    connectionTimeoutMillis: 5_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}
