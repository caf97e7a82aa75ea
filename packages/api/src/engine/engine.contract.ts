import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App, Engine, EngineEvents, Execution, HostedLine, Outcome } from './Engine.ts'

/** What an engine told its host. */
export interface Told {
  logs: (HostedLine & { deploymentId: string })[]
  cpu: { deploymentId: string; cpuMs: number }[]
  killed: { deploymentId: string; reason: string }[]
  rows: { deploymentId: string; read: number; written: number }[]
  egress: { deploymentId: string; requests: number; bytesOut: number; bytesIn: number }[]
  /** Projects that had something to do while they slept. */
  woken: string[]
}

export function listener(): { told: Told; events: EngineEvents } {
  const told: Told = { logs: [], cpu: [], killed: [], egress: [], rows: [], woken: [] }
  return {
    told,
    events: {
      log: ({ level, message, deploymentId, requestId, kind }) =>
        told.logs.push({ level, message, deploymentId, requestId, kind }),
      cpu: ({ deploymentId, cpuMs }) => told.cpu.push({ deploymentId, cpuMs }),
      egress: ({ deploymentId, requests, bytesOut, bytesIn }) =>
        told.egress.push({ deploymentId, requests, bytesOut, bytesIn }),
      killed: ({ deploymentId, reason }) => told.killed.push({ deploymentId, reason }),
      rows: ({ deploymentId, read, written }) => told.rows.push({ deploymentId, read, written }),
      wake: (projectId) => told.woken.push(projectId),
    },
  }
}

export const esm = (source: string, name = 'main.js') => ({
  name,
  type: 'esm' as const,
  bytes: Buffer.from(source),
})

export function execution(source: string, over: Partial<Execution> = {}): Execution {
  return {
    accountId: 'acc_one',
    main: 'main.js',
    modules: [esm(source)],
    usesNode: false,
    input: null,
    limits: { cpuMs: 200, wallMs: 3000, memoryMb: 128, outputBytes: 1_000_000, logBytes: 65_536 },
    ...over,
  }
}

let apps = 0

export function app(source: string, over: Partial<App> = {}): App {
  return {
    deploymentId: `dep_${++apps}`,
    revision: '1',
    projectId: 'prj_one',
    accountId: 'acc_one',
    main: 'main.js',
    modules: [esm(source)],
    compatibilityDate: '2026-01-01',
    compatibilityFlags: [],
    env: {},
    bindings: [],
    queueConsumers: [],
    limits: { memoryMb: 128, requestCpuMs: 300 },
    egress: null,
    ...over,
  }
}

/** One request to an app, as a gateway makes it. */
export async function get(
  engine: Engine,
  hosted: App,
  path = '/',
  requestId = 'req_one',
): Promise<{ status: number; body: string }> {
  const lease = await engine.open(hosted, async () => hosted)
  try {
    const response = await lease.dispatcher.request({
      origin: lease.origin,
      path,
      method: 'GET',
      headers: { ...lease.headers, 'x-request-id': requestId },
    })
    return { status: response.statusCode, body: await response.body.text() }
  } finally {
    lease.release()
  }
}

export const until = async (condition: () => boolean, ms = 5000) => {
  const end = Date.now() + ms
  while (!condition() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(condition()).toBe(true)
}

/** What every engine must do. */
export function engineContract(
  name: string,
  create: (events: EngineEvents) => Engine | Promise<Engine>,
): void {
  describe(name, () => {
    let engine: Engine
    const { told, events } = listener()
    const run = (source: string, over?: Partial<Execution>) =>
      engine.execute(execution(source, over))
    const core = ({ cpuMs: _, durationMs: __, queueMs: ___, ...rest }: Outcome) => rest

    beforeAll(async () => {
      engine = await create(events)
      await engine.start()
    })
    afterAll(() => engine.close(0))

    it('gives back what run returns, and what it printed', async () => {
      const outcome = await run(
        'export const run = (input) => { console.log("got", input); console.error("e"); return { twice: input * 2 } }',
        { input: 21 },
      )
      expect(core(outcome)).toEqual({
        status: 'returned',
        result: '{"twice":42}',
        logs: [
          { level: 'log', message: 'got 21' },
          { level: 'error', message: 'e' },
        ],
      })
      expect(outcome.cpuMs).toBeGreaterThan(0)
      expect(outcome.durationMs).toBeGreaterThan(0)
    })

    it.each([
      ['an async run', 'export async function run(i) { await 1; return i }', '7'],
      ['a default function', 'export default (i) => i', '7'],
      ['undefined as null', 'export const run = () => undefined', 'null'],
      ['a script that only prints', 'console.log(1)', 'null'],
      ['JSON by toJSON', 'export const run = () => ({ toJSON: () => [1] })', '[1]'],
      [
        'a Response',
        'export const run = () => new Response("x", { status: 201, headers: { a: "b" } })',
        '{"status":201,"headers":{"a":"b","content-type":"text/plain;charset=UTF-8"},"body":"x"}',
      ],
    ])('returns the result of %s', async (_, source, result) => {
      expect(await run(source, { input: 7 })).toMatchObject({ status: 'returned', result })
    })

    it('calls fetch of a default export with a request made of the input', async () => {
      const source = `export default { async fetch(request) {
        return Response.json([request.method, request.url, await request.json(), request.headers.get("x")]) } }`
      const input = { url: 'http://a/b', method: 'PUT', headers: { x: 'y' }, body: { z: 1 } }
      const outcome = await run(source, { input })
      expect(outcome).toMatchObject({ status: 'returned' })
      expect(JSON.parse((outcome as { result: string }).result)).toEqual({
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: '["PUT","http://a/b",{"z":1},"y"]',
      })
    })

    it('runs modules of every type', async () => {
      const wasm = Buffer.from([0, 97, 115, 109, 1, 0, 0, 0])
      const outcome = await engine.execute({
        ...execution(`import text from "./a.txt"; import data from "./b.bin"; import json from "./c.json";
          import wasm from "./d.wasm"; import { more } from "./lib/e.js";
          export const run = () => [text, [...new Uint8Array(data)], json, wasm instanceof WebAssembly.Module, more]`),
        modules: [
          esm(`import text from "./a.txt"; import data from "./b.bin"; import json from "./c.json";
          import wasm from "./d.wasm"; import { more } from "./lib/e.js";
          export const run = () => [text, [...new Uint8Array(data)], json, wasm instanceof WebAssembly.Module, more]`),
          { name: 'a.txt', type: 'text', bytes: Buffer.from('tëxt') },
          { name: 'b.bin', type: 'data', bytes: Buffer.from([0, 255]) },
          { name: 'c.json', type: 'json', bytes: Buffer.from('{"j":1}') },
          { name: 'd.wasm', type: 'wasm', bytes: wasm },
          esm('export const more = "more"', 'lib/e.js'),
        ],
      })
      expect(outcome).toMatchObject({ result: '["tëxt",[0,255],{"j":1},true,"more"]' })
    })

    it.each([
      ['an error', 'export const run = () => { throw new TypeError("no") }', /^TypeError: no$/],
      ['a thrown null', 'export const run = () => { throw null }', /^null$/],
      ['a syntax error', 'export const run = () => {', /SyntaxError/],
      ['a missing module', 'import "./gone.js"; export const run = 1', /No such module/],
      ['a BigInt', 'export const run = () => 3n', /bigint/],
      ['a nested BigInt', 'export const run = () => [3n]', /BigInt/],
      ['a function', 'export const run = () => () => 1', /function/],
      ['a cycle', 'export const run = () => { const a = {}; a.a = a; return a }', /circular/],
      ['an empty toJSON', 'export const run = () => ({ toJSON() {} })', /toJSON/],
      [
        'a promise that never resolves',
        'export const run = () => new Promise(() => {})',
        /never finished/,
      ],
      ['a top level that never ends', 'await new Promise(() => {})', /unsettled|never finished/],
      ['nothing to run', 'export const x = 1', /export function run\(input\)/],
    ])('says what is wrong with %s', async (_, source, message) => {
      const outcome = await run(source)
      expect(outcome).toMatchObject({ status: 'threw', message: expect.stringMatching(message) })
    })

    it.each([
      ['cpu', 'export const run = () => { console.log("before"); for (;;); }'],
      [
        'wall',
        'export const run = async () => { console.log("before"); await new Promise((r) => setTimeout(r, 1e6)) }',
      ],
      [
        'output',
        'export const run = () => { console.log("before"); return "x".repeat(2_000_000) }',
      ],
    ])('stops at the %s limit and keeps what was printed before', async (limit, source) => {
      const limits = { ...execution('').limits, wallMs: limit === 'wall' ? 300 : 3000 }
      const outcome = await run(source, { limits })
      expect(core(outcome)).toEqual({
        status: 'limited',
        limit,
        logs: [{ level: 'log', message: 'before' }],
      })
    })

    it('stops at the memory limit, on the heap and beside it', async () => {
      const limits = { ...execution('').limits, cpuMs: 10_000, wallMs: 10_000 }
      const heap =
        'export const run = () => { const a = []; for (;;) a.push(new Array(1000).fill(Math.random())) }'
      const buffers =
        'export const run = () => { const a = []; for (;;) a.push(new Uint8Array(4e6).fill(1)) }'
      for (const source of [heap, buffers]) {
        const outcome = await run(source, { limits })
        if (outcome.status === 'threw') expect(outcome.message).toMatch(/allocation/)
        else expect(outcome).toMatchObject({ status: 'limited', limit: 'memory' })
      }
    })

    it('ends a program whose caller went away', async () => {
      const gone = new AbortController()
      const running = run('export const run = () => new Promise((r) => setTimeout(r, 1e6))', {
        signal: gone.signal,
      })
      setTimeout(() => gone.abort(new Error('gone')), 50)
      await expect(running).rejects.toThrow('gone')
    })

    it('keeps nothing from one execution to the next', async () => {
      await run(
        'export const run = () => { globalThis.left = 1; Array.prototype.map = () => "stolen"; JSON.stringify = () => "1" }',
      )
      const outcome = await run(
        'export const run = () => [globalThis.left ?? "clean", [1].map((x) => x)]',
      )
      expect(outcome).toMatchObject({ result: '["clean",[1]]' })
    })

    it('hosts an app with its variables, starting it once for many callers', async () => {
      const hosted = app(
        'let n = 0; export default { fetch: (r, env) => Response.json([env.SECRET, ++n]) }',
        { env: { SECRET: 'line\n"two"' } },
      )
      const answers = await Promise.all(Array.from({ length: 20 }, () => get(engine, hosted)))
      const counts = answers.map(({ body }) => JSON.parse(body)[1]).sort((a, b) => a - b)
      expect(counts).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
      expect(JSON.parse(answers[0]?.body ?? '')[0]).toBe('line\n"two"')
      expect(engine.running().filter((r) => r.deploymentId === hosted.deploymentId)).toHaveLength(1)
    })

    it('gives an app its variables as what they are, whatever JSON they are', async () => {
      const json = { PORT: 8080, ON: true, LIST: [{ 'a"\n\\': ['ü', null] }], NONE: null }
      const hosted = app('export default { fetch: (r, env) => Response.json(env) }', { json })
      expect(JSON.parse((await get(engine, hosted)).body)).toMatchObject(json)
    })

    it('hosts an app that imports the modules of a platform that it does not use', async () => {
      const platform = 'email node pipelines sockets workers workflows'.split(' ')
      const hosted =
        app(`${platform.map((it) => `import * as ${it} from 'cloudflare:${it}'`).join('\n')}
        export default { fetch: () => Response.json(new email.EmailMessage('a@x', 'b@x', 'hi').to) }`)
      expect(await get(engine, hosted)).toEqual({ status: 200, body: '"b@x"' })
    })

    it.each([
      ['a syntax error', 'export default { fetch( }', /SyntaxError[\s\S]*main\.js:1/],
      ['a missing export', 'export const a = 1', /no default export/],
      ['a missing handler', 'export default {}', /no fetch method/],
      [
        'a missing module',
        'import "./gone.js"; export default { fetch() {} }',
        /No such module "gone.js"/,
      ],
      ['an error at the top level', 'throw new Error("at once")', /Error: at once/],
    ])('refuses %s at deploy and says so', async (_, source, output) => {
      const refused = engine.put(app(source))
      await expect(refused).rejects.toMatchObject({
        code: 'deploy_failed',
        hint: expect.any(String),
        fields: { output: expect.stringMatching(output) },
      })
      await refused.catch(({ fields }) => expect(fields.output).not.toMatch(/jack-entry|capnp/))
    })

    it("tells an app's logs, its uncaught errors and its CPU", async () => {
      const hosted = app(`export default { fetch(request) { console.warn("w");
        const end = Date.now() + 60; while (Date.now() < end);
        if (request.url.endsWith("/throw")) throw new Error("boom"); return new Response("ok") } }`)
      await get(engine, hosted)
      expect((await get(engine, hosted, '/throw', 'req_two')).status).toBe(500)
      const { deploymentId } = hosted
      const logs = () => told.logs.filter((line) => line.deploymentId === deploymentId)
      await until(() => logs().length === 3)
      expect(logs()).toEqual([
        { deploymentId, level: 'warn', message: 'w', requestId: 'req_one', kind: 'console' },
        { deploymentId, level: 'warn', message: 'w', requestId: 'req_two', kind: 'console' },
        {
          deploymentId,
          level: 'error',
          message: expect.stringMatching(/^Uncaught Error: boom\n {4}at .*main\.js:3:51\)?$/),
          requestId: 'req_two',
          kind: 'exception',
        },
      ])
      const cpuMs = () =>
        told.cpu.filter((u) => u.deploymentId === deploymentId).reduce((a, u) => a + u.cpuMs, 0)
      await until(() => cpuMs() > 20)
      expect(cpuMs()).toBeLessThan(300)
    })

    it('starts again though it is only just being removed', async () => {
      const hosted = app('export default { fetch: () => new Response("here") }')
      for (let i = 0; i < 5; i++) {
        await get(engine, hosted)
        const removed = engine.remove(hosted.deploymentId)
        const answers = await Promise.all(
          [0, 5, 10, 20].map(async (ms) => {
            await new Promise((resolve) => setTimeout(resolve, ms))
            return get(engine, hosted)
          }),
        )
        expect(answers.map((it) => it.body)).toEqual(['here', 'here', 'here', 'here'])
        await removed
      }
    })

    it('counts what it takes to start', async () => {
      const hosted = app(
        'let x = 0; for (let i = 0; i < 1e8; i++) x = (x * 31 + i) | 0; export default { fetch: () => new Response(String(x)) }',
      )
      await get(engine, hosted)
      const { deploymentId } = hosted
      const cpuMs = () =>
        told.cpu.filter((u) => u.deploymentId === deploymentId).reduce((a, u) => a + u.cpuMs, 0)
      await until(() => cpuMs() > 100)
    })

    it('counts a start that fails, but not that of a deploy', async () => {
      const source = (end: string) =>
        `let x = 0; for (let i = 0; i < 1e8; i++) x = (x * 31 + i) | 0; ${end}; export default { fetch: () => new Response(String(x)) }`
      const hosted = app(source('throw new Error("mined " + x)'))
      const cpuMs = () =>
        told.cpu
          .filter((u) => u.deploymentId === hosted.deploymentId)
          .reduce((a, u) => a + u.cpuMs, 0)
      await expect(engine.put(hosted)).rejects.toMatchObject({ code: 'deploy_failed' })
      expect(cpuMs()).toBe(0)
      await expect(engine.open(hosted, async () => hosted)).rejects.toMatchObject({
        code: 'app_failed',
      })
      if (engine.sandbox.level !== 'namespaces') expect(cpuMs()).toBeGreaterThan(50)
    })

    it('moves to a new revision without a lost request', async () => {
      const one = app('export default { fetch: (r, env) => new Response(env.V) }', {
        env: { V: '1' },
      })
      const two = { ...one, revision: '2', env: { V: '2' } }
      let current = one
      let failed = 0
      const seen = new Set<string>()
      let stop = false
      const load = async () => {
        while (!stop) {
          const answer = await get(engine, current).catch(() => undefined)
          if (answer?.status === 200) seen.add(answer.body)
          else failed++
        }
      }
      const callers = [load(), load(), load(), load()]
      await until(() => seen.has('1'))
      current = two
      await until(() => seen.has('2'))
      stop = true
      await Promise.all(callers)
      expect({ failed, seen: [...seen] }).toEqual({ failed: 0, seen: ['1', '2'] })
      await until(
        () => engine.running().filter((r) => r.deploymentId === one.deploymentId).length === 1,
      )
    })

    it('passes a WebSocket through to the app', async () => {
      const hosted =
        app(`export default { fetch() { const { 0: client, 1: server } = new WebSocketPair(); server.accept();
        server.send("hello"); return new Response(null, { status: 101, webSocket: client }) } }`)
      const lease = await engine.open(hosted, async () => hosted)
      const { socket } = await lease.dispatcher.upgrade({
        path: '/',
        protocol: 'websocket',
        headers: {
          ...lease.headers,
          'sec-websocket-version': '13',
          'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        },
      })
      const frame = await new Promise((resolve) => socket.once('data', resolve))
      expect(String(frame).slice(2)).toBe('hello')
      socket.destroy()
      lease.release()
    })

    it('kills an app that spins or grows, and only that one', async () => {
      const bystander = app('export default { fetch: () => new Response("fine") }')
      await get(engine, bystander)
      for (const [reason, body] of [
        ['cpu', 'for (;;);'],
        ['memory', 'const a = []; for (;;) { a.push(new Uint8Array(4e6).fill(1)); await 0 }'],
      ] as const) {
        const bad = app(`export default { async fetch() { ${body} } }`, {
          limits: { memoryMb: 64, requestCpuMs: reason === 'cpu' ? 200 : 10_000 },
        })
        await expect(get(engine, bad)).rejects.toThrow()
        await until(() => told.killed.some((k) => k.deploymentId === bad.deploymentId))
        expect(told.killed.filter((k) => k.deploymentId === bad.deploymentId)).toEqual([
          { deploymentId: bad.deploymentId, reason },
        ])
        expect(await get(engine, bystander)).toEqual({ status: 200, body: 'fine' })
      }
    })

    it('wakes an app for its schedule, and tells how that went when all of it is over', async () => {
      const hosted = app(
        `export default {
          async scheduled({ cron, scheduledTime }, env, ctx) {
            if (cron === "2 * * * *") throw new Error("no luck");
            ctx.waitUntil(new Promise((r) => setTimeout(r, 100)).then(() => console.log("late", cron, scheduledTime)));
          } }`,
        { scheduled: true },
      )
      const at = (cron: string) => ({ cron, scheduledAt: new Date(60_000) })
      const load = async () => hosted
      expect(await engine.scheduled(hosted, load, at('1 * * * *'))).toEqual({ outcome: 'ok' })
      const logs = () => told.logs.filter((line) => line.deploymentId === hosted.deploymentId)
      await until(() => logs().length === 1)
      expect(logs()[0]).toMatchObject({ level: 'log', message: 'late 1 * * * * 60000' })
      expect(await engine.scheduled(hosted, load, at('2 * * * *'))).toMatchObject({
        outcome: 'exception',
      })
      await until(() => logs().some((line) => line.message.startsWith('Uncaught Error: no luck')))
      expect(engine.running().find((it) => it.deploymentId === hosted.deploymentId)).toMatchObject({
        requests: 0,
      })
    })

    it('refuses an app with a schedule that has no handler for it', async () => {
      const hosted = app('export default { fetch() {} }', { scheduled: true })
      await expect(engine.put(hosted)).rejects.toMatchObject({
        code: 'deploy_failed',
        fields: { output: expect.stringMatching(/no scheduled method/) },
      })
    })

    it('lets go of a scheduled handler that takes too long, or whose app ends', async () => {
      const hosted = app(
        'export default { scheduled: ({ cron }) => { if (cron === "1 * * * *") return new Promise((r) => setTimeout(r, 1e6)); for (;;); } }',
        { scheduled: true },
      )
      const gone = new AbortController()
      const event = { cron: '1 * * * *', scheduledAt: new Date() }
      const running = engine.scheduled(hosted, async () => hosted, event, gone.signal)
      const requests = () =>
        engine.running().find((it) => it.deploymentId === hosted.deploymentId)?.requests
      await until(() => requests() === 1)
      gone.abort(new Error('too long'))
      await expect(running).rejects.toThrow('too long')
      expect(requests()).toBe(0)
      const spins = engine.scheduled(hosted, async () => hosted, { ...event, cron: '2 * * * *' })
      await expect(spins).rejects.toMatchObject({ code: 'app_failed' })
      expect(told.killed).toContainEqual({ deploymentId: hosted.deploymentId, reason: 'cpu' })
    })

    it("gives an app that forges the supervisor's requests nothing but its cache", async () => {
      const hosted = app(
        `let ran = 0; export default {
          scheduled() { ran++ },
          async fetch(request) {
            const attack = new Request("http://app/", { method: "POST", body: JSON.stringify({ cron: "x", at: 0 }) });
            const tries = [() => caches.default.put(attack, new Response("x")), () => caches.default.match(attack),
              () => caches.default.delete(attack), () => caches.default.match("http://app/scheduled", { ignoreMethod: true }),
              () => caches.default.match(attack, { ignoreMethod: true }), () => fetch(attack)];
            for (const attempt of tries) try { await attempt() } catch {}
            await caches.default.put("http://app/", new Response("kept", { headers: { "cache-control": "max-age=60" } }));
            return new Response(ran + " " + await (await caches.default.match("http://app/")).text());
          } }`,
        { scheduled: true, egress: [] },
      )
      expect(await get(engine, hosted)).toEqual({ status: 200, body: '0 kept' })
    })

    it('forgets a removed version after its requests', async () => {
      const hosted = app(
        'export default { async fetch() { await new Promise((r) => setTimeout(r, 200)); return new Response("late") } }',
      )
      const answer = get(engine, hosted)
      await until(() =>
        engine.running().some((r) => r.deploymentId === hosted.deploymentId && r.requests === 1),
      )
      await engine.remove(hosted.deploymentId)
      expect(await answer).toEqual({ status: 200, body: 'late' })
      expect(engine.running().some((r) => r.deploymentId === hosted.deploymentId)).toBe(false)
    })
  })
}
