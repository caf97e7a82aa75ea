import {
  existsSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createJack, type Jack, localFetch } from '@jackcloud/sdk/node'
import { verifyBill } from '@jackcloud/sdk/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandLine, live, temporaryHome, text, type Up, up } from './harness.ts'

// One cloud that is backed up while everything in it is written to, and what becomes of the backup.
const home = temporaryHome('backup')
const data = join(home.path, 'cloud')
const file = join(home.path, 'cloud.tar.gz')
const { json, jack: run } = commandLine(home)
let cloud: Up
let jack: Jack

const client = ({ ready: { url, token } }: Up) => createJack({ url, token, fetch: localFetch })
const urlOf = (of: Up, name: string) => `http://local-${name}.${of.ready.domain}`

beforeAll(async () => {
  cloud = await up(home, data)
  jack = client(cloud)
}, 120_000)

afterAll(async () => {
  if (cloud) await cloud.stop()
  await home.remove()
}, 60_000)

/** Every write numbers itself in a namespace, a database and an object, in this order. */
const keeper = `
import { DurableObject } from 'cloudflare:workers'
export class Counter extends DurableObject {
  async set(n) { await this.ctx.storage.put('n', n) }
  async get() { return (await this.ctx.storage.get('n')) ?? 0 }
}
export default {
  async fetch(request, env) {
    const object = env.COUNTER.get(env.COUNTER.idFromName('one'))
    if (request.method === 'POST') {
      const n = Number(await request.text())
      await env.KV.put('n', String(n))
      await env.DB.exec('create table if not exists t (n int)')
      await env.DB.prepare('insert into t values (?)').bind(n).run()
      await object.set(n)
      return new Response(String(n))
    }
    const { count, most } = await env.DB.prepare('select count(*) as count, max(n) as most from t').first()
    return Response.json({ kv: Number(await env.KV.get('n')), count, most, object: await object.get(), secret: env.SECRET })
  },
}`
const wrangler = JSON.stringify({
  name: 'keeper',
  main: 'index.js',
  kv_namespaces: [{ binding: 'KV' }],
  d1_databases: [{ binding: 'DB', database_name: 'main' }],
  durable_objects: { bindings: [{ name: 'COUNTER', class_name: 'Counter' }] },
  migrations: [{ tag: 'v1', new_sqlite_classes: ['Counter'] }],
})

const restoreTo = (name: string, from = file) =>
  json(['restore', from, '--data', join(home.path, name)])

/** Every contradiction in the ledger of a cloud that runs. */
async function auditOf(name: string) {
  const store = new URL('../packages/api/src/store/', import.meta.url).href
  const { openDatabase } = await import(`${store}database.ts`)
  const { audit } = await import(`${store}ledgerAudit.ts`)
  const host = join(realpathSync(join(home.path, name, 'postgres')), 'socket')
  const db = openDatabase({ connection: { host, port: 5432, user: 'jack', database: 'jack' } })
  return audit(db).finally(() => db.destroy())
}

test('a cloud is backed up while it is written to, and the restored one has all of it', async () => {
  await jack.deploy({
    files: { 'index.js': keeper, 'wrangler.jsonc': wrangler },
    env: { SECRET: 'sealed' },
  })
  for (const says of ['first', 'second']) {
    await jack.deploy({
      name: 'plain',
      files: { 'index.js': `export default { fetch: () => new Response('${says}') }` },
    })
  }
  await jack.deploy({
    name: 'site',
    files: { 'index.html': '<h1>site</h1>', 'big.txt': 'b'.repeat(300_000) },
  })

  // One that has a database and has never written anything into it.
  await jack.deploy({
    name: 'unused',
    files: {
      'index.js': 'export default { fetch: () => new Response("unused") }',
      'wrangler.jsonc': JSON.stringify({
        d1_databases: [{ binding: 'DB', database_name: 'main' }],
      }),
    },
  })
  await live(urlOf(cloud, 'unused'))

  let written = 0
  let stopped = false
  const failures: unknown[] = []
  const loop = async (step: () => Promise<unknown>) => {
    while (!stopped) await step().catch((error) => failures.push(error))
  }
  const loops = [
    loop(async () => {
      const n = written + 1
      const answer = await live(urlOf(cloud, 'keeper'), { method: 'POST', body: String(n) })
      if ((await answer.text()) !== String(n)) throw new Error(`write ${n}: ${answer.status}`)
      written = n
    }),
    loop(() => jack.execute({ code: 'export const run = () => 1' })),
    loop(() =>
      jack.deploy({
        name: 'busy',
        files: { 'index.js': `export default { fetch: () => new Response('${Math.random()}') }` },
      }),
    ),
  ]
  while (written < 20) await new Promise((resolve) => setTimeout(resolve, 20))
  const before = written
  const said = await json(['backup', file, '--data', data])
  const after = written
  stopped = true
  await Promise.all(loops)
  expect(failures).toEqual([])
  expect(said).toMatchObject({ exitCode: 0, file, lost: 0, projects: 5 })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  await cloud.stop()

  expect(await restoreTo('restored')).toMatchObject({
    exitCode: 0,
    data: join(home.path, 'restored'),
  })
  const { ready } = cloud
  cloud = await up(home, join(home.path, 'restored'))
  jack = client(cloud)
  expect(cloud.ready.token).toBe(ready.token)
  // It owns what it deployed; keys that close sessions are made anew, as their chain is.
  expect(cloud.ready.wallet).toEqual(ready.wallet)
  const keyOf = (folder: string) => readFileSync(join(folder, 'operator.key'), 'utf8')
  expect(keyOf(cloud.ready.data)).not.toBe(keyOf(ready.data))

  const kept = (await (await live(urlOf(cloud, 'keeper'))).json()) as Record<string, number>
  expect(kept.secret).toBe('sealed')
  expect(kept.count).toBe(kept.most)
  expect(kept.count).toBeGreaterThanOrEqual(before)
  expect(kept.count).toBeLessThanOrEqual(after + 1)
  // All of it at one moment: between two steps of one write at most.
  expect([kept.count, (kept.count as number) + 1]).toContain(kept.kv)
  expect([kept.count, (kept.count as number) - 1]).toContain(kept.object)

  expect(await text(urlOf(cloud, 'plain'))).toBe('second')
  expect(await text(`${urlOf(cloud, 'site')}/big.txt`)).toBe('b'.repeat(300_000))
  expect(await text(urlOf(cloud, 'unused'))).toBe('unused')
  await jack.projects.rollback('plain')
  expect(await text(urlOf(cloud, 'plain'))).toBe('first')
  expect((await live(urlOf(cloud, 'busy'))).status).toBe(200)

  const receipts = await Array.fromAsync(jack.allReceipts({ limit: 100 }))
  const { balance_usd, held_usd } = await jack.balance()
  const micro = (usd: string) => Math.round(Number(usd) * 1e6)
  expect(receipts.reduce((sum, it) => sum + micro(it.amount_usd), 0)).toBe(
    micro(balance_usd) + micro(held_usd),
  )
  expect(await verifyBill(await jack.bill())).toMatchObject({ ok: true })
  expect(await auditOf('restored')).toEqual([])
  // New rows are numbered after the old ones, and the ledger goes on.
  await jack.execute({ code: 'export const run = () => 1' })
  await live(urlOf(cloud, 'keeper'), { method: 'POST', body: '1000000' })
  expect(existsSync(join(home.path, 'restored/restore'))).toBe(false)
  await cloud.stop()
  cloud = await up(home, join(home.path, 'restored'))
  expect(((await (await live(urlOf(cloud, 'keeper'))).json()) as { most: number }).most).toBe(
    1_000_000,
  )
}, 180_000)

test('a backup is restored into an empty folder only', async () => {
  const answer = await restoreTo('cloud')
  expect(answer).toMatchObject({ exitCode: 5, error: { code: 'conflict' } })
  expect(readFileSync(join(data, 'token'), 'utf8')).toMatch(/^jkt_/)
})

test('a backup that is cut off, changed or none leaves nothing', async () => {
  const bytes = readFileSync(file)
  const broken = join(home.path, 'broken.tar.gz')
  for (const change of [
    () => truncateSync(broken, bytes.length - 2_000),
    () => truncateSync(broken, Math.floor(bytes.length / 2)),
    () => writeFileSync(broken, bytes.fill(7, 5_000, 5_020)),
    () => writeFileSync(broken, 'no archive'),
    () => writeFileSync(broken, ''),
  ]) {
    writeFileSync(broken, bytes)
    change()
    const answer = await restoreTo('never', broken)
    expect(answer).toMatchObject({ exitCode: 2, error: { code: 'invalid_request' } })
    expect(existsSync(join(home.path, 'never'))).toBe(false)
  }
})

test('only who may read the data can ask for a backup, and only of a cloud that runs', async () => {
  const socket = join(home.path, 'restored', 'operator.sock')
  expect(statSync(socket).mode & 0o077).toBe(0)
  expect((await fetch(`${cloud.ready.url}/backup`, { method: 'POST' })).status).toBeGreaterThan(400)
  const empty = join(home.path, 'empty')
  const { exitCode } = await json(['backup', join(home.path, 'x.tar.gz'), '--data', empty])
  expect(exitCode).toBe(6)
  expect(readdirSync(home.path)).not.toContain('x.tar.gz')
})

test('a data directory of a later Jack is left alone', async () => {
  const later = join(home.path, 'restored')
  await cloud.stop()
  writeFileSync(join(later, 'format'), '99\n')
  const { exitCode, stdout } = await run(['up', '--port', '0', '--data', later, '--json'])
  expect(exitCode).toBe(5)
  expect(JSON.parse(stdout).error.message).toContain('format 99')
  writeFileSync(join(later, 'format'), '1\n')
  cloud = await up(home, later)
})
