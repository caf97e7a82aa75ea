import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Connection, type Db, openDatabase } from '../database.ts'
import * as ledger from '../ledger.ts'
import { audit } from '../ledgerAudit.ts'
import { migrate } from '../migrate.ts'
import { runChild } from '../testing/child.ts'
import { prepareBinaries } from './binaries.ts'
import { openHome } from './home.ts'
import { runningPostmaster } from './postmaster.ts'
import { startEmbedded } from './startEmbedded.ts'

const hold = new URL('../testing/hold.ts', import.meta.url)
const payer = new URL('../testing/spend.ts', import.meta.url)
const root = process.getuid?.() === 0

let folder: string
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'jack-embedded-')))
  await chmod(folder, 0o711)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function newDataDir(name: string): Promise<string> {
  const path = join(folder, name)
  await mkdir(path, { mode: 0o711 })
  return path
}

async function withDatabase<T>(connection: Connection, work: (db: Db) => Promise<T>): Promise<T> {
  const db = openDatabase({ connection, poolSize: 4 })
  return work(db).finally(() => db.destroy())
}

const note = (text: string) => async (db: Db) => {
  await sql`create table if not exists note (text text)`.execute(db)
  await sql`insert into note values (${text})`.execute(db)
}
const notes = async (db: Db) =>
  (await sql<{ text: string }>`select text from note order by text`.execute(db)).rows.map(
    (it) => it.text,
  )

const clusterOf = async (dataDir: string) =>
  join(await realpath(join(dataDir, 'postgres')), 'cluster')

/** As the kernel does when memory runs out: the server and its children, without a word. */
async function killPostgres(dataDir: string): Promise<void> {
  const { pid } = (await runningPostmaster(await clusterOf(dataDir))) as { pid: number }
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  process.kill(pid, 'SIGKILL')
  for (const child of children)
    try {
      process.kill(Number(child), 'SIGKILL')
    } catch {}
}

describe('one data directory', () => {
  let dataDir: string
  beforeAll(async () => {
    dataDir = await newDataDir('one')
  })

  test('a first start makes a database that nothing on the network can reach', async () => {
    const postgres = await startEmbedded({ dataDir })
    onTestFinished(postgres.stop)
    expect(postgres.adopted).toBe(false)
    await withDatabase(postgres.connection, async (db) => {
      await note('first')(db)
      const { rows } = await sql`select current_setting('listen_addresses') as addresses,
        current_setting('fsync') as fsync, current_setting('data_checksums') as checksums,
        current_setting('server_encoding') as encoding, current_database() as database`.execute(db)
      expect(rows).toEqual([
        { addresses: '', fsync: 'on', checksums: 'on', encoding: 'UTF8', database: 'jack' },
      ])
    })
  })

  test('a second start is fast and finds the data', async () => {
    const postgres = await startEmbedded({ dataDir })
    onTestFinished(postgres.stop)
    expect(await withDatabase(postgres.connection, notes)).toEqual(['first'])
    expect(postgres.startedMs).toBeLessThan(5_000)
  })

  test('the server of a killed Jack is adopted with what it acknowledged', async () => {
    const killed = runChild(hold, [dataDir])
    const { connection } = JSON.parse(await killed.ready)
    await withDatabase(connection, note('second'))
    await killed.kill()
    const postgres = await startEmbedded({ dataDir })
    onTestFinished(postgres.stop)
    expect(postgres).toMatchObject({ adopted: true, connection })
    expect(await withDatabase(postgres.connection, notes)).toEqual(['first', 'second'])
    await postgres.stop()
    expect(await runningPostmaster(await clusterOf(dataDir))).toBeUndefined()
  })

  test('a second process is refused with the number of the first', async () => {
    const first = runChild(hold, [dataDir])
    await first.ready
    const second = runChild(hold, [dataDir])
    await expect(second.ready).rejects.toThrow(
      `Another Jack runs on ${dataDir} (pid ${first.process.pid}).`,
    )
    await first.kill()
    const third = runChild(hold, [dataDir])
    expect(JSON.parse(await third.ready)).toMatchObject({ adopted: true })
    await third.kill()
    await (await startEmbedded({ dataDir })).stop()
  })

  test('the server of a checkout that was deleted since is replaced, not adopted', async () => {
    const home = await openHome(dataDir)
    const { bin, env } = await prepareBinaries(home)
    const checkout = join(folder, 'deleted')
    await cp(dirname(bin), checkout, { recursive: true, filter: (path) => extname(path) !== '.a' })
    const options = ['-c', 'listen_addresses=', '-c', `unix_socket_directories=${home.socket}`]
    const left = spawn(join(checkout, 'bin', 'postgres'), ['-D', home.cluster, ...options], {
      ...home.user,
      cwd: '/',
      env,
      stdio: 'ignore',
      detached: true,
    })
    onTestFinished(() => void left.kill('SIGINT'))
    while (!(await runningPostmaster(home.cluster))) await sleep(20)
    await rm(checkout, { recursive: true })

    const postgres = await startEmbedded({ dataDir })
    onTestFinished(postgres.stop)
    expect(postgres.adopted).toBe(false)
    await withDatabase(postgres.connection, async (db) => {
      // The first use of a library: those of the server that was left were gone.
      await sql`do $$ begin perform 1; end $$`.execute(db)
      expect(await notes(db)).toEqual(['first', 'second'])
    })
  })

  test.runIf(process.platform === 'linux')('a server that is killed is started again', async () => {
    const warnings: string[] = []
    const logger = { info: () => {}, warn: (text: string) => warnings.push(text) }
    const postgres = await startEmbedded({ dataDir, logger })
    onTestFinished(postgres.stop)
    await withDatabase(postgres.connection, async (db) => {
      await note('third')(db)
      await killPostgres(dataDir)
      for (const deadline = Date.now() + 15_000; ; await sleep(50)) {
        const found = await notes(db).catch(() => undefined)
        if (found) {
          expect(found).toEqual(['first', 'second', 'third'])
          break
        }
        expect(Date.now()).toBeLessThan(deadline)
      }
    })
    expect(warnings).toEqual(['Postgres ended unexpectedly; starting it again.'])
  })

  test.runIf(process.platform === 'linux')(
    'payments survive kills of the payers and of Postgres: none acknowledged is lost, none happens twice',
    async () => {
      const postgres = await startEmbedded({ dataDir })
      onTestFinished(postgres.stop)
      const count = 600
      const accountId = 'acc_spender'
      await withDatabase(postgres.connection, async (db) => {
        await migrate(db)
        await ledger.createLedgerAccount(db, accountId)
        await ledger.grant(db, { id: 'g', accountId, amountMicroUsd: 10n * BigInt(count) + 1_000n })
      })
      const acknowledged = new Set<string>()
      const spend = async (first: number, cut: (ended: Promise<unknown>) => Promise<unknown>) => {
        const args = [JSON.stringify(postgres.connection), accountId, String(count), String(first)]
        // Two processes pay for the same ids.
        const payers = [runChild(payer, args), runChild(payer, args)]
        await Promise.all(payers.map((payer) => payer.ready))
        await cut(Promise.all(payers.map((payer) => payer.ended)))
        for (const payer of payers) {
          await payer.kill()
          for (const id of payer.lines) acknowledged.add(id)
        }
      }
      for (let round = 0; round < 2; round++)
        await spend(round * 250, async () => {
          await sleep(50 + Math.random() * 150)
          await killPostgres(dataDir)
          await sleep(400 + Math.random() * 200)
        })
      const early = acknowledged.size
      await spend(0, (ended) => ended)

      await withDatabase(postgres.connection, async (db) => {
        await ledger.settleAbandoned(db, -1_000)
        expect(await audit(db)).toEqual([])
        const { rows } = await sql<{ transfer_id: string }>`
        select transfer_id from ledger_transfer where kind = 'execution'`.execute(db)
        expect(new Set(rows.map((row) => row.transfer_id))).toEqual(acknowledged)
        expect(acknowledged.size).toBe(count)
        expect(early).toBeGreaterThan(0)
        expect(await ledger.balanceOf(db, accountId)).toEqual({
          availableMicroUsd: 1_000n,
          heldMicroUsd: 0n,
        })
      })
    },
  )

  test('a lock that a dead server left to another process is not in the way', async () => {
    const cluster = await clusterOf(dataDir)
    await writeFile(
      join(cluster, 'postmaster.pid'),
      `${process.pid}\n${cluster}\n0\n5432\n/nowhere\n\n`,
    )
    const postgres = await startEmbedded({ dataDir })
    await postgres.stop()
  })

  test('data of another major version is refused', async () => {
    await writeFile(join(await clusterOf(dataDir), 'PG_VERSION'), '17\n')
    await expect(startEmbedded({ dataDir })).rejects.toThrow(
      /is of Postgres 17, and this Jack runs Postgres 18.*DATABASE_URL/,
    )
  })
})

test('a Jack that is killed at any moment of its first start leaves nothing broken', async () => {
  const dataDir = await newDataDir('killed')
  for (let round = 0; round < 5; round++) {
    const child = runChild(hold, [dataDir])
    await sleep(250 + Math.random() * 900)
    await child.kill()
  }
  const postgres = await startEmbedded({ dataDir })
  onTestFinished(postgres.stop)
  await withDatabase(postgres.connection, note('whole'))
  await postgres.stop()
  await (await startEmbedded({ dataDir })).stop()
  expect((await readdir(join(dataDir, 'postgres'))).sort()).toEqual([
    'cluster',
    'lib',
    'postgres.log',
    'socket',
  ])
})

test('a data directory with a long path gets its socket elsewhere, and leaves nothing there', async () => {
  const dataDir = await newDataDir(`long-${'x'.repeat(110)}`)
  const postgres = await startEmbedded({ dataDir })
  onTestFinished(postgres.stop)
  expect(postgres.connection.host).toMatch(/^\/tmp\/jack-[0-9a-f]{16}$/)
  await withDatabase(postgres.connection, note('far'))
  await postgres.stop()
  await expect(stat(postgres.connection.host)).rejects.toThrow('ENOENT')
})

test.runIf(root)(
  'root in a closed folder gets its database elsewhere, and a link to it',
  async () => {
    const closed = join(folder, 'closed')
    await mkdir(join(closed, 'data'), { recursive: true, mode: 0o700 })
    const dataDir = join(closed, 'data')
    const first = await startEmbedded({ dataDir })
    await withDatabase(first.connection, note('kept'))
    await first.stop()
    const home = await realpath(join(dataDir, 'postgres'))
    onTestFinished(() => rm(home, { recursive: true }))
    expect(home).toMatch(/^\/var\/lib\/jack-postgres\/data-/)
    const second = await startEmbedded({ dataDir })
    onTestFinished(second.stop)
    expect(await withDatabase(second.connection, notes)).toEqual(['kept'])
  },
)

test.runIf(root)('a user without privileges runs it as well', async () => {
  const nobody = { uid: 65_534, gid: 65_534 }
  const parent = await newDataDir('theirs')
  await chmod(parent, 0o777)
  const dataDir = join(parent, 'data')
  const child = runChild(hold, [dataDir], nobody)
  const { connection, uid } = JSON.parse(await child.ready)
  expect(uid).toBe(nobody.uid)
  await withDatabase(connection, note('theirs'))
  await child.kill()
  // Root finds it, and goes on as the user that the data belongs to.
  const postgres = await startEmbedded({ dataDir })
  onTestFinished(postgres.stop)
  expect(postgres.adopted).toBe(true)
  await postgres.stop()
  const again = await startEmbedded({ dataDir })
  onTestFinished(again.stop)
  expect(await withDatabase(again.connection, notes)).toEqual(['theirs'])
})
