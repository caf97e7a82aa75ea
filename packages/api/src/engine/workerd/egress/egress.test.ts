import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { App, Engine } from '../../Engine.ts'
import { app, get, type Told, until } from '../../engine.contract.ts'
import { startEngine } from '../testing.ts'
import { Egress } from './egress.ts'
import { echoWebSockets, egressPids, listenOn, nameServer } from './testing.ts'

/** Makes the requests it is asked to, all at once, and says what came of each. */
const source = `const one = async ([url, init]) => { try { const r = await fetch(url, init);
    return [r.status, await r.text(), Object.fromEntries(r.headers)] } catch (e) { return ["threw", e.message] } };
  export default { async fetch(request) { const { searchParams: q, pathname } = new URL(request.url);
    if (pathname === "/stream") return fetch(q.get("url"), { method: "POST", body: request.body });
    if (pathname === "/ws") { const ws = new WebSocket(q.get("url")); return new Promise((done) => {
      ws.addEventListener("open", () => ws.send("hello"));
      ws.addEventListener("message", ({ data }) => { ws.close(); done(new Response(data)) });
      ws.addEventListener("error", ({ message }) => done(new Response("error " + message))) }) }
    return Response.json(await Promise.all(JSON.parse(q.get("all")).map(one))) } }`
type Answer = [status: number | 'threw', body: string, headers: Record<string, string>]

const askAll = async (
  engine: Engine,
  hosted: App,
  requests: [url: string, init: object][],
): Promise<Answer[]> => {
  const query = new URLSearchParams({ all: JSON.stringify(requests) })
  return JSON.parse((await get(engine, hosted, `/?${query}`)).body)
}
const ask = async (engine: Engine, hosted: App, url: string, body?: string) => {
  const init = body === undefined ? {} : { method: 'POST', body }
  return (await askAll(engine, hosted, [[url, init]]))[0] as Answer
}

describe('the way out of an app', () => {
  let engine: Engine
  let told: Told
  let port = 0
  const held: ServerResponse[] = []
  const server = createServer((request, response) => {
    if (request.url === '/redirect')
      return response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
    if (request.url === '/hold') return held.push(response)
    response.writeHead(200, { 'x-seen': request.headers.host ?? '' })
    request.pipe(response)
  })
  echoWebSockets(server)
  const hosted = app(source)

  beforeAll(async () => {
    port = await listenOn(server)
    process.env.TEST_SECRET = 'a value that nobody may find'
    ;({ engine, told } = await startEngine({ egress: { permit: [`127.0.0.1:${port}`] } }))
  })
  afterAll(async () => {
    delete process.env.TEST_SECRET
    server.close()
    server.closeAllConnections()
    await engine.close(0)
    expect(egressPids()).toEqual([])
  })

  it('reaches what is allowed, with its body both ways', async () => {
    const body = 'ü'.repeat(300)
    expect(await ask(engine, hosted, `http://127.0.0.1:${port}/`, body)).toEqual([
      200,
      body,
      expect.objectContaining({ 'x-seen': `127.0.0.1:${port}` }),
    ])
  })

  it('is a process without a secret, and without our rights', () => {
    const [pid, ...others] = egressPids()
    expect(others).toEqual([])
    expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).not.toContain(process.env.TEST_SECRET)
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    expect(status).toMatch(/^NoNewPrivs:\t1$/m)
    expect(status).toMatch(/^CapEff:\t0+$/m)
    if (process.getuid?.() === 0) expect(status).not.toMatch(/^[UG]id:.*\t0\b/m)
  })

  it('is checked again after a redirect', async () => {
    const [status, body] = await ask(engine, hosted, `http://127.0.0.1:${port}/redirect`)
    expect([status, body]).toEqual([403, expect.stringContaining('not a public address')])
  })

  it.each([
    'http://127.0.0.1:1/',
    'http://localhost:1/',
    'http://[::1]:1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://168.63.129.16/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0/',
    'http://[::ffff:127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[fd00:ec2::254]/',
    'https://10.0.0.1/',
    'http://127.0.0.1.:1/',
  ])('does not reach %s', async (url) => {
    expect(await ask(engine, hosted, url)).toEqual([
      403,
      expect.stringContaining('not a public address'),
      expect.objectContaining({ 'x-jack-egress': 'refused' }),
    ])
  })

  it('opens no plain sockets', async () => {
    const sockets = app(`import { connect } from "cloudflare:sockets";
      export default { async fetch() { try { await connect("127.0.0.1:${port}").opened; return new Response("opened") }
        catch (e) { return new Response("threw") } } }`)
    expect((await get(engine, sockets)).body).toBe('threw')
  })

  it('says when nobody answers', async () => {
    const closed = createServer()
    const gone = await listenOn(closed)
    await new Promise((resolve) => closed.close(resolve))
    const other = await startEngine({ egress: { permit: [`127.0.0.1:${gone}`] } })
    expect(await ask(other.engine, hosted, `http://127.0.0.1:${gone}/`)).toEqual([
      502,
      expect.stringContaining('ECONNREFUSED'),
      expect.objectContaining({ 'x-jack-egress': 'failed' }),
    ])
    await other.engine.close(0)
  })

  it('leads only to the hosts of a list, and says how to add one', async () => {
    const narrow = app(source, { egress: [`127.0.0.1:${port}`] })
    expect((await ask(engine, narrow, `http://127.0.0.1:${port}/`))[0]).toBe(200)
    expect(await ask(engine, narrow, 'https://example.com/')).toEqual([
      403,
      'example.com is not among the hosts that this app may reach. Add it to "egress" in jack.json and deploy again.\n',
      expect.objectContaining({ 'x-jack-egress': 'refused' }),
    ])
    // To be on the list is not to be public.
    const inward = app(source, { egress: ['127.0.0.1:1'] })
    expect((await ask(engine, inward, 'http://127.0.0.1:1/'))[1]).toMatch(/not a public address/)
  })

  it('does not exist for an app with an empty list', async () => {
    const closed = app(source, { egress: [] })
    expect(await ask(engine, closed, `http://127.0.0.1:${port}/`)).toEqual([
      'threw',
      expect.stringContaining('no access to the network'),
    ])
  })

  it('carries WebSockets, and says why not', async () => {
    const url = (to: string) => `/ws?${new URLSearchParams({ url: to })}`
    expect(await get(engine, hosted, url(`ws://127.0.0.1:${port}/`))).toMatchObject({
      body: 'hello',
    })
    expect((await get(engine, hosted, url('ws://127.0.0.1:1/'))).body).toMatch(/^error /)
  })

  it('counts requests and bytes, exactly', async () => {
    const counted = app(source)
    const sum = () => {
      const all = { requests: 0, bytesOut: 0, bytesIn: 0 }
      for (const it of told.egress) {
        if (it.deploymentId !== counted.deploymentId) continue
        all.requests += it.requests
        all.bytesOut += it.bytesOut
        all.bytesIn += it.bytesIn
      }
      return all
    }
    await ask(engine, counted, `http://127.0.0.1:${port}/`, 'x'.repeat(20_011))
    await ask(engine, counted, `http://127.0.0.1:${port}/`)
    await ask(engine, counted, 'http://127.0.0.1:1/')
    await until(() => sum().requests === 2)
    expect(sum()).toEqual({ requests: 2, bytesOut: 20_011, bytesIn: 20_011 })
    // What it did last is told when it ends, too.
    await ask(engine, counted, `http://127.0.0.1:${port}/`, 'x'.repeat(11))
    await engine.remove(counted.deploymentId)
    await until(() => sum().requests === 3)
    expect(sum()).toEqual({ requests: 3, bytesOut: 20_022, bytesIn: 20_022 })
  })

  it('streams a hundred megabytes both ways in little memory', async () => {
    const [pid] = egressPids()
    const rssMb = () =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024
    const chunk = Buffer.alloc(1 << 20, 'a')
    let sent = 0
    const body = Readable.from(
      (function* () {
        for (; sent < 100; sent++) yield chunk
      })(),
      { objectMode: false },
    )
    const before = rssMb()
    let most = before
    const lease = await engine.open(hosted, async () => hosted)
    const response = await lease.dispatcher.request({
      origin: lease.origin,
      path: `/stream?${new URLSearchParams({ url: `http://127.0.0.1:${port}/` })}`,
      method: 'POST',
      headers: lease.headers,
      body,
    })
    let sizeBytes = 0
    for await (const part of response.body) {
      sizeBytes += part.length
      most = Math.max(most, rssMb())
    }
    lease.release()
    expect(sizeBytes).toBe(100 << 20)
    expect(most - before).toBeLessThan(60)
  })

  it('holds a server back that sends more than the app reads', async () => {
    let sent = 0
    const fast = createServer((_, response) => {
      const write = () => {
        while (sent < 1000 && response.write(Buffer.alloc(1 << 20))) sent++
        if (sent < 1000) response.once('drain', write)
      }
      write()
    })
    const at = await listenOn(fast)
    const other = await startEngine({ egress: { permit: [`127.0.0.1:${at}`] } })
    const slow = app(`let r; export default { async fetch(q) {
      if (new URL(q.url).pathname === "/end") { await r.body.cancel(); return new Response("") }
      r = await fetch("http://127.0.0.1:${at}/"); const reader = r.body.getReader(); const { value } = await reader.read();
      reader.releaseLock(); await new Promise((done) => setTimeout(done, 500)); return new Response(String(value.length > 0)) } }`)
    expect((await get(other.engine, slow)).body).toBe('true')
    expect(sent).toBeLessThan(50)
    await other.engine.close(0)
    fast.closeAllConnections()
    fast.close()
  })

  it('tells a server when the app does not want its answer any more', async () => {
    const impatient = app(`export default { async fetch() {
      try { await fetch("http://127.0.0.1:${port}/hold", { signal: AbortSignal.timeout(100) }); return new Response("answered") }
      catch (e) { return new Response(e.name) } } }`)
    held.length = 0
    const closed = until(() => held[0]?.destroyed === true)
    expect((await get(engine, impatient)).body).toBe('TimeoutError')
    await closed
  })

  it('is there again when its process is killed, and no app is started anew', async () => {
    const pids = () => engine.running().find((it) => it.deploymentId === hosted.deploymentId)?.pid
    await ask(engine, hosted, `http://127.0.0.1:${port}/`)
    const before = pids()
    for (let times = 0; times < 2; times++) {
      const [pid] = egressPids()
      held.length = 0
      const cut = ask(engine, hosted, `http://127.0.0.1:${port}/hold`)
      await until(() => held.length > 0)
      process.kill(pid as number, 'SIGKILL')
      expect(await cut).toEqual(['threw', expect.stringMatching(/network connection lost/i)])
      await until(() => egressPids().some((it) => it !== pid))
      let answer = await ask(engine, hosted, `http://127.0.0.1:${port}/`, 'again')
      for (let tries = 0; answer[0] !== 200 && tries < 50; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 100))
        answer = await ask(engine, hosted, `http://127.0.0.1:${port}/`, 'again')
      }
      expect(answer[1]).toBe('again')
    }
    expect(pids()).toBe(before)
  })
})

it('is started less and less often when it ends each time, and holds nobody up', async () => {
  const waits: number[] = []
  const runDir = mkdtempSync(join(tmpdir(), 'jack-test-'))
  const egress = new Egress(
    {},
    {
      events: { egress() {} },
      logger: { warn: (it: object) => waits.push((it as { waitMs: number }).waitMs) },
      runDir,
      uid: undefined,
      prefix: ['false'],
    },
  )
  const name = { deploymentId: 'dep_x', revision: '1', projectId: 'prj_x', egress: null }
  const opened = [1, 2, 3].map((i) => egress.open(name, join(runDir, `${i}.sock`), undefined))
  await Promise.all(opened)
  await until(() => waits.length > 4)
  expect(waits.slice(0, 5)).toEqual([0, 100, 200, 400, 800])
  await Promise.all(opened.map(async (close) => (await close)()))
  await egress.close()
  rmSync(runDir, { recursive: true })
})

describe('limits of the way out', () => {
  const held: ServerResponse[] = []
  const server = createServer((_, response) => held.push(response))
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  it('are on what is under way at once, and on what waits', async () => {
    const port = await listenOn(server)
    const limits = { connections: 2, waiting: 2, requestsPerSecond: 1, burst: 106 }
    const { engine } = await startEngine({ egress: { permit: [`127.0.0.1:${port}`], limits } })
    const one = app(source)
    const url = `http://127.0.0.1:${port}/`
    const answers = Promise.all([1, 2, 3, 4, 5].map(() => ask(engine, one, url)))
    await until(() => held.length === 2)
    // An app that is not to blame is not held up.
    const other = ask(engine, app(source), url)
    await until(() => held.length === 3)
    for (let answered = 0; answered < 5; answered++) {
      await until(() => held.length > answered)
      held[answered]?.end('late')
    }
    expect((await other)[1]).toBe('late')
    const statuses = (await answers).map(([status]) => status).sort()
    expect(statuses).toEqual([200, 200, 200, 200, 429])
    // Each of very many gets an answer.
    server.on('request', (_, response) => setTimeout(() => response.end('late'), 50))
    const crowd: [string, object][] = Array.from({ length: 500 }, () => [url, {}])
    const said = new Set<string>()
    for (const [status, text] of await askAll(engine, one, crowd))
      said.add(status === 200 ? text : (/makes more than|open already/.exec(text)?.[0] ?? text))
    expect(said).toEqual(new Set(['late', 'makes more than', 'open already']))
    await engine.close(0)
  })
})

describe('names', () => {
  const dir = mkdtempSync(join(tmpdir(), 'jack-test-'))
  afterAll(() => rmSync(dir, { recursive: true }))

  it('lead to the very address that was checked, however often they change', async () => {
    const good = createServer((_, response) =>
      response.writeHead(200, { connection: 'close' }).end('good'),
    )
    const secret = createServer((_, response) => response.end('secret'))
    const port = await listenOn(good)
    await listenOn(secret, port, '127.0.0.2')
    let asked = 0
    const names = await nameServer((name) => {
      if (name === 'mixed.test') return ['127.0.0.1', '127.0.0.2']
      if (name === 'inner.test') return ['10.1.2.3']
      if (name === 'turning.test') return [asked++ % 2 === 0 ? '127.0.0.1' : '127.0.0.2']
      return []
    })
    const { engine } = await startEngine({
      egress: { permit: [`127.0.0.1:${port}`], resolvers: [names.at] },
    })
    const hosted = app(source)
    for (let i = 0; i < 10; i++) {
      const [status, body] = await ask(engine, hosted, `http://turning.test:${port}/`)
      expect([status, body]).toEqual(
        i % 2 === 0
          ? [200, 'good']
          : [403, expect.stringContaining('turning.test is not a public')],
      )
    }
    expect(asked).toBe(10)
    expect((await ask(engine, hosted, `http://mixed.test:${port}/`))[0]).toBe(403)
    expect((await ask(engine, hosted, 'http://inner.test/'))[0]).toBe(403)
    expect((await ask(engine, hosted, 'http://nobody.test/')).slice(0, 2)).toEqual([
      502,
      'nobody.test has no address: check its spelling.\n',
    ])
    await engine.close(0)
    for (const it of [good, secret, names]) it.close()
  })

  it('are what a server has to prove to be over TLS', async () => {
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
    const request =
      '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=secure.test'
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        ...request.split(' '),
        '-addext',
        'subjectAltName=DNS:secure.test',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    )
    const server = createSecureServer(
      { key: readFileSync(key), cert: readFileSync(cert) },
      (request, response) =>
        response.end(
          `${request.headers.host} ${(request.socket as { servername?: string }).servername}`,
        ),
    )
    echoWebSockets(server)
    const port = await listenOn(server)
    const names = await nameServer(() => ['127.0.0.1'])
    const before = process.env.NODE_EXTRA_CA_CERTS
    process.env.NODE_EXTRA_CA_CERTS = cert
    const { engine } = await startEngine({
      egress: { permit: [`127.0.0.1:${port}`], resolvers: [names.at] },
    })
    const hosted = app(source)
    expect((await ask(engine, hosted, `https://secure.test:${port}/`))[1]).toBe(
      `secure.test:${port} secure.test`,
    )
    if (before === undefined) delete process.env.NODE_EXTRA_CA_CERTS
    else process.env.NODE_EXTRA_CA_CERTS = before
    const ws = `/ws?${new URLSearchParams({ url: `wss://secure.test:${port}/` })}`
    expect((await get(engine, hosted, ws)).body).toBe('hello')
    const [status, body] = await ask(engine, hosted, `https://other.test:${port}/`)
    expect([status, body]).toEqual([502, expect.stringContaining('altnames')])
    await engine.close(0)
    server.closeAllConnections()
    for (const it of [server, names]) it.close()
  })
})
