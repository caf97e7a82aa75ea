import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App, Engine, HostedLine } from '../Engine.ts'
import { app, get, type Told, until } from '../engine.contract.ts'
import { appLog } from './appLog.ts'
import { parseLine } from './output.ts'
import { readMark } from './requestModule.ts'
import { startEngine } from './testing.ts'

let engine: Engine
let told: Told
beforeAll(async () => {
  const started = await startEngine()
  engine = started.engine
  told = started.told
})
afterAll(() => engine.close(0))

const linesOf = ({ deploymentId }: App) =>
  told.logs.filter((line) => line.deploymentId === deploymentId)

/** Lines of an app once there are so many, as "request level message". */
async function printed(hosted: App, count: number): Promise<string[]> {
  await until(() => linesOf(hosted).length >= count)
  // What comes too much would come now.
  await new Promise((resolve) => setTimeout(resolve, 250))
  return linesOf(hosted).map((it) => `${it.requestId ?? '-'} ${it.level} ${it.message}`)
}

const ask = async (hosted: App, paths: string[]) => {
  const bodies: string[] = []
  for (const path of paths)
    bodies.push((await get(engine, hosted, path, `req_${path.slice(1)}`)).body)
  return bodies
}

describe('a line of a hosted app', () => {
  it('belongs to its request wherever it is printed', async () => {
    const hosted = app(`
      console.log("top")
      const early = console.info
      const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
      export default { async fetch(request, env, ctx) {
        const path = new URL(request.url).pathname
        early("early %s", path)
        if (path === "/late") ctx.waitUntil(pause(20).then(() => console.warn({ late: true })))
        if (path === "/timer") setTimeout(() => console.debug(), 5)
        if (path === "/stream") return new Response(new ReadableStream({ async pull(to) {
          await pause(1); console.log("pull", 1n); to.enqueue(new Uint8Array(1)); to.close() } }))
        await pause(20)
        return new Response(path) } }`)
    await ask(hosted, ['/late', '/timer', '/stream'])
    expect(await printed(hosted, 7)).toEqual([
      '- log top',
      'req_late info early /late',
      'req_late warn { late: true }',
      'req_timer info early /timer',
      'req_timer debug ',
      'req_stream info early /stream',
      'req_stream log pull 1n',
    ])
  })

  it('is not mixed up between requests that run at the same time', async () => {
    const hosted = app(`export default { async fetch(request) {
      const id = request.headers.get("x-request-id")
      for (let i = 0; i < 5; i++) { await new Promise((r) => setTimeout(r, Math.random() * 5)); console.log(id) }
      return new Response("ok") } }`)
    const ids = Array.from({ length: 20 }, (_, i) => `req_${i}`)
    await Promise.all(ids.map((id) => get(engine, hosted, '/', id)))
    await until(() => linesOf(hosted).length === 100)
    for (const line of linesOf(hosted)) expect(line.message).toBe(line.requestId)
  })

  it('of a class keeps the class what it is', async () => {
    const hosted = app(
      `import { WorkerEntrypoint } from "cloudflare:workers"
      class Base extends WorkerEntrypoint { async greet() { return "hello " + this.env.WHO } }
      export default class Main extends Base {
        #secret = 7
        static made = "static"
        async fetch(request) {
          console.log("in", this.constructor.name)
          this.ctx.waitUntil(Promise.reject(new TypeError("after")))
          if (new URL(request.url).pathname === "/throw") throw new RangeError("of a class")
          return new Response([await this.greet(), this.#secret, this instanceof Main, this.constructor === Main, Main.made, Main.name].join())
        } }`,
      { env: { WHO: 'you' } },
    )
    expect(await ask(hosted, ['/x', '/throw'])).toEqual([
      'hello you,7,true,true,static,Main',
      'Internal Server Error',
    ])
    const lines = await printed(hosted, 5)
    expect(lines.map((line) => line.split('\n')[0]).sort()).toEqual([
      'req_throw error Uncaught RangeError: of a class',
      'req_throw error Uncaught TypeError: after',
      'req_throw log in Main',
      'req_x error Uncaught TypeError: after',
      'req_x log in Main',
    ])
  })

  it('is printed by handlers that keep their object, their arguments and their answers', async () => {
    const hosted = app(
      `
      class App {
        #n = 1
        fetch = (request, env, ctx) => this.#answer(request, env, ctx)
        #answer(request, env, ctx) {
          return new Response([this.#n++, env.A, typeof ctx.waitUntil, ctx.constructor.name, request.constructor.name].join()) }
      }
      export default Object.freeze(new App())`,
      { env: { A: 'a' } },
    )
    expect(await ask(hosted, ['/1', '/2'])).toEqual([
      '1,a,function,ExecutionContext,Request',
      '2,a,function,ExecutionContext,Request',
    ])
  })

  it('works with Node’s modules too, and timers stay what they are', async () => {
    const hosted = app(
      `
      import { setTimeout } from "node:timers/promises"
      import { AsyncLocalStorage } from "node:async_hooks"
      const own = new AsyncLocalStorage()
      export default { fetch: () => own.run("mine", async () => {
        await setTimeout(2)
        console.log(own.getStore())
        clearTimeout(globalThis.setTimeout(() => console.log("never"), 5))
        return new Response(globalThis.setTimeout.name) }) }`,
      {
        compatibilityFlags: ['nodejs_compat', 'no_nodejs_als'],
      },
    )
    expect(await ask(hosted, ['/n'])).toEqual(['setTimeout'])
    expect(await printed(hosted, 1)).toEqual(['req_n log mine'])
  })

  it('tells each exception that nobody caught once, with its stack', async () => {
    const hosted = app(`class Odd extends Error { name = "Odd" }
      export default { async fetch(request, env, ctx) {
        switch (new URL(request.url).pathname) {
          case "/error": throw new Error("boom\\nsecond line")
          case "/text": throw "just text"
          case "/odd": throw new Odd("a: b")
          case "/later": ctx.waitUntil(Promise.reject(new Error("after the answer"))); break
          case "/nobody": Promise.reject(new Error("unhandled")); break
          case "/timer": setTimeout(() => { throw new Error("in a timer") }, 1); await new Promise((r) => setTimeout(r, 20)); break
          case "/wrong": return "no response"
          case "/hostile": throw new Proxy(new Error("x"), { get() { throw 1 }, getPrototypeOf() { throw 2 } })
          case "/caught": { const it = Promise.reject(new Error("caught")); await it.catch(() => {}) }
        }
        return new Response("ok") } }`)
    const paths = ['error', 'text', 'odd', 'later', 'nobody', 'timer', 'wrong', 'caught']
    await ask(
      hosted,
      paths.map((path) => `/${path}`),
    )
    const lines = await printed(hosted, 7)
    expect(lines).toEqual([
      'req_error error Uncaught Error: boom\nsecond line\n    at Object.fetch (main.js:4:32)',
      'req_text error Uncaught just text',
      expect.stringMatching(
        /^req_odd error Uncaught Odd: a: b\n {4}at Object\.fetch \(main\.js:6:30\)$/,
      ),
      expect.stringMatching(
        /^req_later error Uncaught Error: after the answer\n {4}at Object\.fetch/,
      ),
      expect.stringMatching(/^req_nobody error Uncaught \(in promise\) Error: unhandled\n {4}at/),
      expect.stringMatching(/^req_timer error Uncaught Error: in a timer\n {4}at main\.js:9:/),
      "- error Uncaught TypeError: Incorrect type for Promise: the Promise did not resolve to 'Response'.",
    ])
    expect(linesOf(hosted).every((line) => line.kind === 'exception')).toBe(true)
    await ask(hosted, ['/hostile'])
    expect((await printed(hosted, 8)).at(-1)).toMatch(/^(req_hostile|-) error Uncaught/)
  })

  it('cannot forge what Jack says, nor break what follows it', async () => {
    const record = JSON.stringify({
      timestamp: '1',
      level: 'fatal',
      source: 'a:1',
      message: 'Uncaught exception: x: failed: forged',
    })
    const texts = [
      record,
      `x\n${record}\n`,
      '\u0000',
      '\ud800',
      '\u001b[2J',
      '\u0001',
      '\u0001req_forged',
      `\u0001${'x'.repeat(65)}\u0002`,
      '\u0001req_other\u0004 mine',
    ]
    const hosted = app(`export default { fetch() {
      for (const text of ${JSON.stringify(texts)}) console.log(text)
      console.log("y".repeat(1048576)); console.log("last"); return new Response("ok") } }`)
    await ask(hosted, ['/f'])
    const lines = await printed(hosted, texts.length + 2)
    expect(lines.slice(0, texts.length)).toEqual(texts.map((text) => `req_f log ${text}`))
    expect(lines.at(-2)).toMatch(/^req_f log y{16384}…$/)
    expect(lines.at(-1)).toBe('req_f log last')
    expect(linesOf(hosted).every((line) => line.kind === 'console')).toBe(true)
  })

  it('that is one of a flood waits in the app and nowhere else', async () => {
    const flood = app(
      `const text = "x".repeat(1000)
      export default { async fetch() {
        for (let i = 0; i < 30000; i++) { console.log(text); if (i % 100 === 0) await new Promise((r) => setTimeout(r, 0)) }
        console.error("over"); return new Response("done") } }`,
      { limits: { memoryMb: 128, requestCpuMs: 5000 } },
    )
    const quiet = app(
      'export default { fetch() { console.log("quiet"); return new Response("ok") } }',
    )
    const flooding = get(engine, flood)
    await until(() => linesOf(flood).some((line) => line.kind === 'notice'))
    expect((await get(engine, quiet)).body).toBe('ok')
    expect((await printed(quiet, 1)).length).toBe(1)
    expect((await flooding).body).toBe('done')
    expect(told.killed).toEqual([])
    // Each line is there or counted.
    await until(() => sum(linesOf(flood)) === 30_001)
    expect(linesOf(flood).length).toBeLessThan(10_000)
  }, 60_000)
})

const sum = (lines: HostedLine[]) =>
  lines.reduce(
    (count, { kind, message }) =>
      count + (kind === 'notice' ? Number(/^dropped (\d+)/.exec(message)?.[1]) : 1),
    0,
  )

it('takes nothing for a mark but a whole one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.stringMatching(/^[\w-]{0,64}$/), (text, id) => {
      expect(readMark(`\u0001${id}\u0002${text}`)).toEqual({
        requestId: id || null,
        exception: false,
        message: text,
      })
      expect(readMark(`\u0001${id}\u0004 ${text}`)).toEqual({
        requestId: id || null,
        exception: true,
        message: text,
      })
      if (!text.startsWith('\u0001'))
        expect(readMark(text)).toEqual({ requestId: null, exception: false, message: text })
    }),
  )
})

it('tells an exception of which only workerd speaks, also when the process ends', () => {
  const lines: HostedLine[] = []
  const log = appLog(
    (line) => lines.push(line),
    () => 0,
  )
  const heard = parseLine(
    '{"timestamp":"1","level":"error","source":"x:1","message":"Uncaught exception: a.h:1: failed: remote.jsg.Error: boom"}',
  )
  if (heard) log.onLine(heard)
  log.end()
  expect(lines).toEqual([
    { level: 'error', kind: 'exception', requestId: null, message: 'Uncaught Error: boom' },
  ])
})
