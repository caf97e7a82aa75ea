import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { type Binding, limits } from '@jackcloud/sdk/wire'
import { afterEach, describe, expect, it } from 'vitest'
import { type App, type Engine, Moved } from '../Engine.ts'
import { app, get, until } from '../engine.contract.ts'
import { nextAlarm } from './alarms.ts'
import { StateDirs } from './stateDirs.ts'
import { levels, startEngine } from './testing.ts'

let projects = 0
const opened: Engine[] = []

async function start(over: Parameters<typeof startEngine>[0] = {}) {
  const started = await startEngine(over)
  opened.push(started.engine)
  return started
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((engine) => engine.close(0)))
})

const bindings: Binding[] = [
  { type: 'kv', name: 'KV', namespace: 'KV' },
  { type: 'd1', name: 'DB', database: 'main' },
  { type: 'durable_object', name: 'ROOM', class_name: 'Room' },
]

const source = `
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
  async add() {
    const sum = ((await this.ctx.storage.get("sum")) ?? 0) + 1;
    await this.ctx.storage.put("sum", sum);
    return sum;
  }
  async alarmIn(ms) { await this.ctx.storage.setAlarm(Date.now() + ms) }
  async alarm() { await this.ctx.storage.put("rang", ((await this.ctx.storage.get("rang")) ?? 0) + 1) }
  async rang() { return (await this.ctx.storage.get("rang")) ?? 0 }
  async fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.send("hello");
    return new Response(null, { status: 101, webSocket: client });
  }
}
export default {
  async fetch(request, env) {
    const url = new URL(request.url), room = env.ROOM?.getByName("one");
    switch (url.pathname) {
      case "/kv": {
        await env.KV.put("soon", "gone", { expirationTtl: 59 });
        await env.KV.delete("soon");
        await env.KV.put("k", url.searchParams.get("v") ?? "v", { metadata: { m: 1 } });
        const { value, metadata } = await env.KV.getWithMetadata("k");
        return Response.json({ value, metadata, keys: (await env.KV.list()).keys.length });
      }
      case "/kv/get": return new Response(await env.KV.get("k"));
      case "/kv/big": {
        await env.KV.put("big", new Uint8Array(300000).fill(7));
        return new Response(String((await env.KV.get("big", "arrayBuffer")).byteLength));
      }
      case "/d1": {
        await env.DB.exec("create table if not exists t (a integer primary key, b text)");
        await env.DB.prepare("insert into t (b) values (?)").bind("x").run();
        return Response.json((await env.DB.prepare("select count(*) as n from t").first()).n);
      }
      case "/add": return Response.json(await room.add());
      case "/alarm": await room.alarmIn(Number(url.searchParams.get("ms"))); return new Response("set");
      case "/rang": return Response.json(await room.rang());
      case "/slow": await new Promise((r) => setTimeout(r, 300)); return Response.json(await room.add());
      case "/socket": return room.fetch(request);
      default: return new Response("VERSION");
    }
  }
}`

function version(name: string, over: Partial<App> = {}): App {
  return app(source.replace('VERSION', name), { bindings, ...over })
}

const project = () => `prj_data${++projects}`

describe.each(levels)('what a project keeps, at sandbox level "%s"', (force) => {
  it('is in namespaces, databases and objects, and outlives a kill and the server', async () => {
    const { engine, dataDir } = await start({ sandbox: { force } })
    const it = version('one', { projectId: project() })
    expect(await get(engine, it, '/kv')).toEqual({
      status: 200,
      body: '{"value":"v","metadata":{"m":1},"keys":1}',
    })
    expect((await get(engine, it, '/kv/big')).body).toBe('300000')
    expect((await get(engine, it, '/d1')).body).toBe('1')
    expect((await get(engine, it, '/add')).body).toBe('1')
    process.kill(engine.running()[0]?.pid as number, 'SIGKILL')
    await until(() => engine.running().length === 0)
    expect((await get(engine, it, '/d1')).body).toBe('2')
    expect((await get(engine, it, '/add')).body).toBe('2')
    await engine.close(0)
    const again = await start({ sandbox: { force }, dataDir })
    expect((await get(again.engine, it, '/d1')).body).toBe('3')
    expect((await get(again.engine, it, '/add')).body).toBe('3')
    expect((await get(again.engine, it, '/kv/get')).body).toBe('v')
  })

  it('is handed over to the next version, without a failed request', async () => {
    const { engine } = await start({ sandbox: { force } })
    const projectId = project()
    let live = version('one', { projectId })
    let stop = false
    let answered = 0
    const versions = new Set<string>()
    const ask = async (path: string): Promise<string> => {
      for (;;) {
        try {
          const { status, body } = await get(engine, live, path)
          expect(status).toBe(200)
          return body
        } catch (error) {
          if (!(error instanceof Moved)) throw error
        }
      }
    }
    const load = Array.from({ length: 4 }, async () => {
      while (!stop) {
        await ask('/add')
        versions.add(await ask('/'))
        answered++
      }
    })
    await until(() => versions.has('one'))
    for (let n = 2; n <= 5; n++) {
      const next = version(String(n), { projectId })
      await engine.put(next)
      const turn = await engine.take(projectId, next.deploymentId)
      expect((await get(engine, next, '/')).body).toBe(String(n))
      live = next
      turn.keep()
      await pause(50)
    }
    stop = true
    await Promise.all(load)
    expect([...versions].sort()).toEqual(['2', '3', '4', '5', 'one'])
    expect(answered).toBeGreaterThan(20)
    expect((await get(engine, live, '/add')).body).toBe(String(answered + 1))
    expect(engine.running().filter((it) => it.projectId === projectId)).toHaveLength(1)
  })
})

describe('what a project keeps', () => {
  it('is its own', async () => {
    const { engine } = await start()
    const [mine, theirs] = [
      version('mine', { projectId: project() }),
      version('theirs', { projectId: project() }),
    ]
    await get(engine, mine, '/kv?v=secret')
    await get(engine, mine, '/d1')
    expect((await get(engine, theirs, '/kv/get')).body).toBe('')
    expect((await get(engine, theirs, '/d1')).body).toBe('1')
    expect((await get(engine, theirs, '/add')).body).toBe('1')
  })

  it('is not touched by a version that does not start, nor while one is tried', async () => {
    const { engine } = await start()
    const projectId = project()
    const live = version('one', { projectId })
    await get(engine, live, '/add')
    const [pid] = engine.running().map((it) => it.pid)
    const broken = app('export default {}', { projectId, bindings: [bindings[0] as Binding] })
    await expect(engine.put(broken)).rejects.toMatchObject({ code: 'deploy_failed' })
    const nameless = app('export default { fetch() {} }', { projectId, bindings })
    await expect(engine.put(nameless)).rejects.toMatchObject({ code: 'deploy_failed' })
    await engine.put(version('two', { projectId }))
    expect(engine.running().map((it) => it.pid)).toEqual([pid])
  })

  it('goes back to the version before when the next one is not kept', async () => {
    const { engine } = await start()
    const projectId = project()
    const live = version('one', { projectId })
    await get(engine, live, '/add')
    const next = version('two', { projectId })
    await engine.put(next)
    const turn = await engine.take(projectId, next.deploymentId)
    expect((await get(engine, next, '/add')).body).toBe('2')
    const waiting = get(engine, live, '/add')
    await pause(50)
    turn.giveBack()
    expect((await waiting).body).toBe('3')
    await expect(get(engine, next, '/add')).rejects.toBeInstanceOf(Moved)
  })

  it('is handed over though a socket is open, and after the requests that run', async () => {
    const { engine } = await start()
    const projectId = project()
    const live = version('one', { projectId })
    const lease = await engine.open(live, async () => live)
    const { socket } = await lease.dispatcher.upgrade({
      path: '/socket',
      method: 'GET',
      protocol: 'websocket',
      headers: {
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-version': '13',
      },
    })
    lease.detach()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {}).resume()
    const slow = get(engine, live, '/slow')
    await pause(50)
    const next = version('two', { projectId })
    await engine.put(next)
    const turn = await engine.take(projectId, next.deploymentId)
    turn.keep()
    expect((await get(engine, next, '/add')).body).toBe('2')
    expect((await slow).body).toBe('1')
    await closed
    lease.release()
  })

  it('keeps an old version that nobody made live away', async () => {
    const { engine } = await start()
    const projectId = project()
    const [old, live] = [version('old', { projectId }), version('live', { projectId })]
    await get(engine, old, '/')
    const turn = await engine.take(projectId, live.deploymentId)
    turn.keep()
    await get(engine, live, '/')
    await expect(get(engine, old, '/')).rejects.toBeInstanceOf(Moved)
    const back = await engine.take(projectId, old.deploymentId)
    back.keep()
    expect((await get(engine, old, '/')).body).toBe('old')
  })

  it('wakes the project when an alarm is due, also after the server was away', async () => {
    const { engine, told, dataDir } = await start({ idleMs: 100 })
    const it = version('one', { projectId: project() })
    await get(engine, it, '/alarm?ms=4500')
    await until(() => engine.running().length === 0)
    expect(await nextAlarm(join(dataDir, 'state', it.projectId))).toBeInstanceOf(Date)
    expect(told.woken).toEqual([])
    await engine.close(0)
    const again = await start({ dataDir, idleMs: 100 })
    await until(() => again.told.woken.length > 0, 8_000)
    expect(again.told.woken).toEqual([it.projectId])
    expect((await get(again.engine, it, '/add')).status).toBe(200)
    await pause(100)
    expect((await get(again.engine, it, '/rang')).body).toBe('1')
  }, 30_000)

  it('keeps an app awake whose alarm is due soon', async () => {
    const { engine } = await start({ idleMs: 100 })
    const it = version('one', { projectId: project() })
    await get(engine, it, '/alarm?ms=1500')
    await pause(1000)
    expect(engine.running()).toHaveLength(1)
    await until(() => engine.running().length === 0)
    expect((await get(engine, it, '/rang')).body).toBe('1')
  })

  it('takes messages of a queue to the consumer, and wakes it for them', async () => {
    const { engine, told } = await start({ idleMs: 100 })
    const it = app(
      `export default {
        async fetch(request, env) {
          if (new URL(request.url).pathname === "/got") return new Response(await env.KV.get("got"));
          await env.JOBS.send({ n: 1 }, { delaySeconds: 4 });
          await env.JOBS.sendBatch([{ body: "a" }, { body: "b" }]);
          return new Response("sent");
        },
        async queue(batch, env) {
          const got = (await env.KV.get("got")) ?? "";
          await env.KV.put("got", got + batch.queue + JSON.stringify(batch.messages.map((it) => it.body)));
        },
      }`,
      {
        projectId: project(),
        bindings: [
          { type: 'kv', name: 'KV', namespace: 'KV' },
          { type: 'queue', name: 'JOBS', queue: 'jobs' },
        ],
        queueConsumers: [{ queue: 'jobs', max_batch_timeout: 0 }],
      },
    )
    expect((await get(engine, it)).body).toBe('sent')
    await until(() => engine.running().length === 0)
    expect((await get(engine, it, '/got')).body).toBe('jobs["a","b"]')
    await until(() => told.woken.length > 0, 8_000)
    await get(engine, it, '/got')
    await pause(500)
    expect((await get(engine, it, '/got')).body).toBe('jobs["a","b"]jobs[{"n":1}]')
  }, 30_000)

  it('refuses a consumer without a handler', async () => {
    const { engine } = await start()
    const it = app('export default { fetch() {} }', { queueConsumers: [{ queue: 'jobs' }] })
    await expect(engine.put(it)).rejects.toMatchObject({
      fields: { output: expect.stringContaining('no queue method') },
    })
  })
})

describe('data that was lost', () => {
  it('is missed: the project does not go on without it', async () => {
    const before = await start()
    const lost = version('one', { projectId: project() })
    const other = version('other', { projectId: project() })
    await get(before.engine, lost, '/d1')
    await before.engine.close(0)
    const { dataDir } = before
    const { engine } = await start({ dataDir })
    rmSync(join(dataDir, 'state', lost.projectId), { recursive: true })
    await expect(get(engine, lost, '/d1')).rejects.toMatchObject({
      code: 'app_failed',
      message: 'The data of this project is not where it was kept.',
    })
    expect((await get(engine, other, '/d1')).body).toBe('1')
    rmSync(join(dataDir, 'state', `${lost.projectId}.databases.json`))
    expect((await get(engine, lost, '/d1')).body).toBe('1')
  })

  it('is missed by nobody when it was that of a start that a crash cut off', async () => {
    const { engine, dataDir } = await start()
    await engine.close(0)
    const left = join(dataDir, 'state', 'trial_0', 'do-Room')
    mkdirSync(left, { recursive: true })
    await start({ dataDir })
    expect(existsSync(join(left, '..'))).toBe(false)
  })

  it('keeps the server from starting when it is that of all', async () => {
    const { engine, dataDir } = await start()
    await engine.close(0)
    rmSync(join(dataDir, 'state'), { recursive: true })
    await expect(startEngine({ dataDir })).rejects.toMatchObject({ code: 'unavailable' })
  })
})

describe('databases', () => {
  it('answer beside the app, before it was ever deployed, and count their rows', async () => {
    const { engine, told } = await start()
    const projectId = project()
    const { data } = engine
    await data.query(projectId, 'main', [
      { sql: 'create table t (a integer primary key, b text)' },
      { sql: 'insert into t (b) values (?), (?)', params: ['one', 'two'] },
    ])
    const it = version('one', { projectId })
    expect((await get(engine, it, '/d1')).body).toBe('3')
    const [rows] = await data.query(projectId, 'main', [{ sql: 'select b from t order by a' }])
    expect(rows).toMatchObject({ columns: ['b'], rows: [['one'], ['two'], ['x']] })
    expect(await data.databases(projectId)).toEqual(['main'])
    expect(engine.running()).toHaveLength(1)
    await until(() => told.rows.some((it) => it.read >= 3))
    expect(told.rows.reduce((sum, it) => sum + it.written, 0)).toBeGreaterThanOrEqual(3)
    expect(await data.dump(projectId, 'main')).toContain(
      `INSERT INTO "t" ("a","b") VALUES(1,'one');`,
    )
    expect(await data.sizeBytes(projectId)).toBeGreaterThan(4096)
  })

  it('change nothing when one of the statements fails, and say why', async () => {
    const { engine } = await start()
    const projectId = project()
    const { data } = engine
    const failed = data.query(projectId, 'main', [
      { sql: 'create table t (a)' },
      { sql: 'insert into nowhere values (1)' },
    ])
    await expect(failed).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('no such table: nowhere'),
    })
    const [rows] = await data.query(projectId, 'main', [
      { sql: "select count(*) from sqlite_schema where name = 't'" },
    ])
    expect(rows?.rows).toEqual([[0]])
  })

  it('end a statement that never ends, and go on', async () => {
    const { engine } = await start()
    const projectId = project()
    const bomb =
      'with recursive n (i) as (select 1 union all select i + 1 from n) select sum(i) from n'
    await expect(engine.data.query(projectId, 'main', [{ sql: bomb }])).rejects.toMatchObject({
      code: 'app_failed',
    })
    const [rows] = await engine.data.query(projectId, 'main', [{ sql: 'select 1' }])
    expect(rows?.rows).toEqual([[1]])
  }, 60_000)

  it('are gone when they are removed', async () => {
    const { engine } = await start()
    const it = version('one', { projectId: project() })
    await get(engine, it, '/d1')
    await engine.remove(it.deploymentId)
    await engine.data.remove(it.projectId)
    expect(await engine.data.databases(it.projectId)).toEqual([])
    // Who is late does not bring back what nobody would ever delete again.
    await expect(engine.open(it, async () => it)).rejects.toMatchObject({ code: 'not_found' })
    await expect(
      engine.data.query(it.projectId, 'main', [{ sql: 'select 1' }]),
    ).rejects.toMatchObject({ code: 'not_found' })
    expect(await engine.data.list()).toEqual([])
  })

  it('take no more than a project may keep, and what is too much can be deleted', async () => {
    const { engine, dataDir } = await start()
    const { data } = engine
    const it = version('one', { projectId: project() })
    await data.query(it.projectId, 'main', [{ sql: 'create table t (b)' }])
    const insert = { sql: 'insert into t values (zeroblob(100000))' }
    await data.query(it.projectId, 'main', [insert])
    // Costs no disk, and stands for a lot of it.
    const file = join(dataDir, 'state', it.projectId, 'filler')
    writeFileSync(file, '')
    truncateSync(file, limits.hosting.dataBytes)
    for (const database of ['main', 'another'])
      await expect(
        data.query(it.projectId, database, [
          { sql: 'create table more as select zeroblob(100000)' },
        ]),
      ).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringMatching(/more data/),
      })
    await data.query(it.projectId, 'main', [{ sql: 'delete from t' }])
    rmSync(file)
    await data.query(it.projectId, 'main', [insert])
  })
})

describe('a folder that a hostile process wrote', () => {
  it('is copied and measured although its paths have no end', async () => {
    const dirs = new StateDirs(mkdtempSync(join(tmpdir(), 'jack-test-')))
    const from = dirs.path('prj_1')
    mkdirSync(from)
    writeFileSync(join(from, 'kept'), 'data')
    const deeper =
      'i=0; while [ $i -lt 500 ]; do mkdir 0123456789 && cd -P 0123456789 || exit 1; i=$((i+1)); done'
    execFileSync('sh', ['-c', deeper], { cwd: from })
    const to = mkdtempSync(join(tmpdir(), 'jack-test-'))
    await dirs.copy('prj_1', to)
    expect(readFileSync(join(to, 'prj_1', 'kept'), 'utf8')).toBe('data')
    expect(await dirs.sizeBytes('prj_1')).toBeGreaterThan(300 * 4096)
    execFileSync('rm', ['-rf', from, to])
  })
})

describe('alarms on disk', () => {
  it('are none where a hostile process left something else', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'jack-test-'))
    mkdirSync(join(dir, 'do-A'))
    mkdirSync(join(dir, 'do-B'))
    mkdirSync(join(dir, 'do-C', 'metadata.sqlite'), { recursive: true })
    writeFileSync(join(dir, 'do-A', 'metadata.sqlite'), 'not a database')
    symlinkSync('/dev/zero', join(dir, 'do-B', 'metadata.sqlite'))
    expect(await nextAlarm(dir)).toBeUndefined()
    expect(await nextAlarm(join(dir, 'nowhere'))).toBeUndefined()
  })

  it.each([
    [
      'a view',
      'create view _cf_ALARM as with recursive n(scheduled_time) as (select 1 union all select scheduled_time + 1 from n) select scheduled_time from n',
    ],
    [
      'a computed column',
      'create table _cf_ALARM (a, scheduled_time as (length(hex(zeroblob(1000))))); insert into _cf_ALARM values (1)',
    ],
  ])('are none where %s would be run', async (_, sql) => {
    const dir = mkdtempSync(join(tmpdir(), 'jack-test-'))
    mkdirSync(join(dir, 'do-A'))
    const database = new DatabaseSync(join(dir, 'do-A', 'metadata.sqlite'))
    database.exec(sql)
    database.close()
    expect(await nextAlarm(dir)).toBeUndefined()
  })
})
