import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { App } from '../Engine.ts'
import { app, execution, get, until } from '../engine.contract.ts'
import { openProcessClock, ownMemoryBytes, startTicks } from './clock.ts'
import { LineLimit } from './logs.ts'
import { MAX_LINE, parseLine, uncaught } from './output.ts'
import { bootId, takeRunDirectory } from './runDirectory.ts'
import { levels, startEngine } from './testing.ts'

const spin = 'export const run = () => { for (;;); }'
const alive = (pid: number) => startTicks(pid) !== undefined

describe('the pool', () => {
  it('kills what spins close to its limit', async () => {
    const { engine } = await startEngine()
    const limits = { ...execution('').limits, cpuMs: 50 }
    const used: number[] = []
    for (let i = 0; i < 10; i++) {
      const outcome = await engine.execute(execution(spin, { limits }))
      expect(outcome).toMatchObject({ status: 'limited', limit: 'cpu' })
      used.push(outcome.cpuMs)
    }
    await engine.close(0)
    expect(Math.min(...used)).toBeGreaterThanOrEqual(50)
    // Milliseconds of slack for a machine that is busy with other tests.
    expect(used.toSorted((a, b) => a - b)[5]).toBeLessThan(70)
  })

  it('serves a modest account while a greedy one has a long queue, and refuses what is too much', async () => {
    const { engine } = await startEngine({
      pool: { size: 1, reuse: 'account', maxUses: 50, queue: 20, queuePerAccount: 10 },
    })
    const done: string[] = []
    const sleep = 'export const run = () => new Promise((r) => setTimeout(r, 20))'
    const run = (accountId: string) =>
      engine.execute(execution(sleep, { accountId })).then(
        () => done.push(accountId),
        (error) => done.push(`${accountId} ${error.code} ${error.retryAfterSeconds}`),
      )
    const greedy = Array.from({ length: 13 }, () => run('greedy'))
    await run('modest')
    const before = done.filter((name) => name === 'greedy').length
    await Promise.all(greedy)
    await engine.close(0)
    expect(before).toBeLessThan(6)
    expect(done.filter((name) => name === 'greedy rate_limited 1')).toHaveLength(2)
  })
})

describe('a hosted app', () => {
  it('sleeps when nobody asks, and wakes for the next request', async () => {
    const { engine } = await startEngine({ idleMs: 100 })
    const hosted = app('export default { fetch: () => new Response("awake") }')
    await get(engine, hosted)
    await until(() => engine.running().length === 0)
    expect(await get(engine, hosted)).toEqual({ status: 200, body: 'awake' })
    await engine.close(0)
  })

  it('neither sleeps early nor stays up for ever when the clock jumps', async () => {
    let jumpMs = 0
    const { engine } = await startEngine({ idleMs: 1000, now: () => Date.now() + jumpMs })
    const it = app('export default { fetch: () => new Response("hi") }')
    await get(engine, it)
    jumpMs = 86_400_000
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(engine.running()).toHaveLength(1)
    await get(engine, it)
    jumpMs = -86_400_000
    await until(() => engine.running().length === 0)
    await engine.close(0)
  })

  it('sleeps at once while memory is short, and others go on answering', async () => {
    let short = false
    const { engine } = await startEngine({ memoryIsShort: () => short })
    const apps = [1, 2, 3].map((n) => app(`export default { fetch: () => new Response("${n}") }`))
    const busy = app(
      'export default { async fetch() { await new Promise((r) => setTimeout(r, 700)); return new Response("done") } }',
    )
    for (const it of apps) await get(engine, it)
    const answer = get(engine, busy)
    await until(() => engine.running().length === 4)
    short = true
    await until(() => engine.running().length === 1)
    expect((await answer).body).toBe('done')
    short = false
    expect((await get(engine, apps[0] as (typeof apps)[0])).body).toBe('1')
    await engine.close(0)
  })

  it('is forgotten when it sleeps while many are known, and loaded again for its next request', async () => {
    const { engine } = await startEngine({ idleMs: 100, remembered: 2 })
    const apps = ['a', 'b', 'c'].map((name) =>
      app(`export default { fetch: () => new Response("${name}") }`),
    )
    let loaded = 0
    const ask = async (it: App) => {
      const lease = await engine.open(it, async () => {
        loaded++
        return it
      })
      lease.release()
    }
    for (const it of apps) await engine.put(it)
    for (const it of apps) await ask(it)
    expect(loaded).toBe(0)
    await until(() => engine.running().length === 0)
    for (const it of apps) await ask(it)
    expect(loaded).toBe(1)
    await engine.close(0)
  })

  it('makes room for another when there are as many as fit', async () => {
    const { engine } = await startEngine({ maxLive: 2 })
    const source = 'export default { fetch: () => new Response("ok") }'
    const apps = [app(source), app(source), app(source)]
    for (const hosted of apps) await get(engine, hosted)
    await until(() => engine.running().length === 2)
    expect(engine.running().map((r) => r.deploymentId)).toEqual(
      apps.slice(1).map((hosted) => hosted.deploymentId),
    )
    await engine.close(0)
  })

  it.runIf(process.platform === 'linux')(
    'starts no more at once than fit, and the rest wait their turn',
    async () => {
      const { engine } = await startEngine({ maxLive: 3 })
      const source = 'export default { fetch: () => new Response("ok") }'
      let most = 0
      const looking = setInterval(() => {
        const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
        most = Math.max(most, children.trim().split(' ').length)
      }, 5)
      const all = await Promise.allSettled(
        Array.from({ length: 20 }, () => engine.put(app(source))),
      )
      clearInterval(looking)
      expect(all.filter((it) => it.status === 'fulfilled')).toHaveLength(20)
      // What is told to sleep takes a moment to end, and the pool has processes of its own.
      expect(most).toBeLessThan(14)
      await engine.close(0)
    },
  )

  it('waits longer after each kill', async () => {
    const { engine } = await startEngine()
    const bad = app('export default { fetch() { for (;;); } }', {
      limits: { memoryMb: 128, requestCpuMs: 50 },
    })
    for (let i = 0; i < 2; i++) await get(engine, bad).catch(() => {})
    await until(() => engine.running().length === 0)
    await expect(get(engine, bad)).rejects.toMatchObject({
      code: 'app_failed',
      retryAfterSeconds: expect.any(Number),
    })
    await engine.close(0)
  })

  it('that floods its logs slows nobody down and is told what was dropped', async () => {
    const { engine, told } = await startEngine()
    const flood = app(
      'export default { fetch() { for (let i = 0; i < 20000; i++) console.log("flood", i); return new Response("done") } }',
      { limits: { memoryMb: 128, requestCpuMs: 5000 } },
    )
    expect((await get(engine, flood)).body).toBe('done')
    await until(() => told.logs.some((line) => /^dropped \d+ lines/.test(line.message)))
    expect(told.logs.length).toBeLessThan(4000)
    await engine.close(0)
  })

  it('reads its assets through its binding', async () => {
    const { engine } = await startEngine({
      assets: (deploymentId, request, response) => response.end(`${deploymentId} ${request.url}`),
    })
    const hosted = app(
      'export default { fetch: (r, env) => env.ASSETS.fetch("http://assets/a.css?b") }',
      {
        assetsBinding: 'ASSETS',
      },
    )
    expect((await get(engine, hosted)).body).toBe(`${hosted.deploymentId} /a.css?b`)
    await engine.close(0)
  })
})

describe('a supervisor that is killed', () => {
  it.each(levels)('leaves nothing running at sandbox level %s', async (level) => {
    const dir = mkdtempSync(join(tmpdir(), 'jack-test-'))
    const script = join(dir, 'supervisor.mjs')
    const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
    writeFileSync(
      script,
      `import { createWorkerdEngine } from ${module('./workerd.ts')}
      import { egressPids } from ${module('./egress/testing.ts')}
      const engine = createWorkerdEngine({ dataDir: ${JSON.stringify(dir)}, idleMs: 60000, sandbox: { force: '${level}' },
        pool: { size: 2, reuse: 'never', maxUses: 1, queue: 1, queuePerAccount: 1 },
        events: { log() {}, cpu() {}, killed() {}, egress() {} }, logger: { info() {}, warn() {}, error() {} } })
      await engine.start()
      const modules = [{ name: 'm', type: 'esm', bytes: Buffer.from('export default { fetch() { for (;;); } }') }]
      const app = { deploymentId: 'd', revision: '1', projectId: 'p', main: 'm', modules, compatibilityDate: '2026-01-01',
        compatibilityFlags: [], env: {}, bindings: [], queueConsumers: [], limits: { memoryMb: 128, requestCpuMs: 60000 }, egress: null }
      const lease = await engine.open(app, async () => app)
      lease.dispatcher.request({ origin: lease.origin, path: '/', method: 'GET' }).catch(() => {})
      console.log(JSON.stringify([...engine.running().map((r) => r.pid), ...egressPids()]))`,
    )
    const supervisor = spawn(process.execPath, ['--conditions=jack:src', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const pids: number[] = await new Promise((resolve, reject) => {
      supervisor.stdout.once('data', (chunk) => resolve(JSON.parse(String(chunk))))
      supervisor.once('exit', () => reject(new Error('the supervisor did not start')))
    })
    // The app, and the process through which it leaves.
    expect(pids).toHaveLength(2)
    expect(pids.every(alive)).toBe(true)
    supervisor.kill('SIGKILL')
    await until(() => !pids.some(alive))
    // And its directory can be taken again at once.
    const { engine } = await startEngine({ dataDir: dir, sandbox: { force: level } })
    await engine.close(0)
  })

  it('has its leftovers swept, and strangers left alone', async () => {
    const runDir = mkdtempSync(join(tmpdir(), 'jack-test-'))
    const orphan = spawn('sleep', ['60'])
    const stranger = spawn('sleep', ['60'])
    const mark = (name: string, text: string) => {
      mkdirSync(join(runDir, name))
      writeFileSync(join(runDir, name, 'pid'), text)
    }
    await until(() => alive(orphan.pid as number) && alive(stranger.pid as number))
    mark('p1', `${orphan.pid} ${startTicks(orphan.pid as number)} ${bootId()}`)
    mark('p2', `${stranger.pid} 12345 ${bootId()}`)
    const giveBack = takeRunDirectory(runDir)
    const ended = new Promise((resolve) => orphan.once('exit', (_, signal) => resolve(signal)))
    expect(await ended).toBe('SIGKILL')
    expect(alive(stranger.pid as number)).toBe(true)
    expect([existsSync(join(runDir, 'p1')), existsSync(join(runDir, 'p2'))]).toEqual([false, false])
    expect(() => takeRunDirectory(runDir)).toThrow('Another Jack')
    giveBack()
    expect(existsSync(runDir)).toBe(false)
    stranger.kill('SIGKILL')
  })
})

describe('output', () => {
  it("is the engine's only when the engine says where it comes from", () => {
    expect(parseLine('{"timestamp":1,"level":"warn","message":"a {\\"source\\":1}"}')).toEqual({
      from: 'program',
      level: 'warn',
      message: 'a {"source":1}',
    })
    expect(
      parseLine(
        '{"timestamp":"1","level":"error","source":"x:1","message":"Uncaught exception: a.h:1: failed: remote.jsg.Error: boom\\nsecond"}',
      ),
    ).toEqual({
      from: 'engine',
      fatal: false,
      message: 'Uncaught exception: a.h:1: failed: remote.jsg.Error: boom\nsecond',
    })
    expect(uncaught('Uncaught exception: a.h:1: failed: remote.jsg.Error: boom\nsecond')).toBe(
      'Error: boom\nsecond',
    )
  })

  it('keeps the beginning of a line that is too long', () => {
    const line = JSON.stringify({ timestamp: 1, level: 'log', message: 'é"'.repeat(MAX_LINE) })
    expect(parseLine(line.slice(0, MAX_LINE))).toMatchObject({
      from: 'program',
      message: expect.stringMatching(/^é"é".*…$/),
    })
  })

  it('is dropped over its rate, with a line that says how much', async () => {
    const lines: string[] = []
    const limit = new LineLimit(
      ({ message }) => lines.push(message),
      () => 0,
      {
        linesPerSecond: 1,
        bytesPerSecond: 1000,
        burstSeconds: 2,
      },
    )
    for (let i = 0; i < 5; i++)
      limit.line({ level: 'log', message: String(i), requestId: null, kind: 'console' })
    await until(() => lines.length === 3)
    expect(lines).toEqual(['0', '1', 'dropped 3 lines (3 bytes): the app logs too much'])
  })
})

it('reads the clock and the memory of another process', async () => {
  const child = spawn(process.execPath, ['-e', 'for (;;);'])
  const clock = openProcessClock()
  const pid = child.pid as number
  await until(() => clock.cpuNs(pid) > 50_000_000n)
  expect(ownMemoryBytes(pid)).toBeGreaterThan(1_000_000)
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  expect([clock.cpuNs(pid), ownMemoryBytes(pid)]).toEqual([-1n, -1])
})

it('leaves no process behind when it closes while processes start', async () => {
  const runDir = mkdtempSync(join(tmpdir(), 'jack-test-'))
  const ours = () =>
    readdirSync('/proc').filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/mountinfo`, 'latin1').includes(`${runDir}/p`)
      } catch {
        return false
      }
    })
  for (const wait of [0, 5, 15, 30]) {
    const pool = { size: 2, reuse: 'never', maxUses: 1, queue: 9, queuePerAccount: 9 } as const
    const { engine } = await startEngine({ runDir, pool })
    await Promise.all([1, 2].map(() => engine.execute(execution('export const run = () => 1'))))
    await new Promise((resolve) => setTimeout(resolve, wait))
    await engine.close(0)
    await until(() => ours().length === 0)
  }
})
