import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { Agent, request, WebSocket } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
let port: number
beforeAll(async () => {
  cloud = await testCloud()
  port = Number(new URL(cloud.url).port)
})
afterAll(() => cloud.close())

async function app(
  name: string,
  files: Record<string, string>,
  more: object = {},
): Promise<string> {
  const { status, json } = await cloud.api('POST', '/deploy', { name, files, ...more })
  expect(status, JSON.stringify(json)).toBe(201)
  return json.url
}

const worker = (body: string) => ({
  'index.ts': `export default { async fetch(request, env, ctx) { ${body} } }`,
})

/** What goes over the wire, for requests that no client library would send. */
async function raw(text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(text)
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  await once(socket, 'close')
  return answer
}

test('an app sees the request as the client sent it, and who the client is', async () => {
  const url = await app(
    'echo',
    worker(
      `return Response.json({ method: request.method, url: request.url, headers: Object.fromEntries(request.headers), body: await request.text() })`,
    ),
  )
  const { json, headers } = await cloud.live(`${url}/a%20b/c?x=1&y=%2F`, {
    method: 'PUT',
    body: 'content',
    headers: {
      'x-custom': 'yes',
      'x-forwarded-for': '6.6.6.6',
      'cf-connecting-ip': '6.6.6.6',
      te: 'trailers',
    },
  })
  expect(json).toMatchObject({ method: 'PUT', url: `${url}/a%20b/c?x=1&y=%2F`, body: 'content' })
  expect(json.headers).toMatchObject({
    'x-custom': 'yes',
    'x-forwarded-for': '127.0.0.1',
    'cf-connecting-ip': '127.0.0.1',
    'x-forwarded-proto': 'http',
    host: new URL(url).host,
  })
  expect(json.headers).not.toHaveProperty('te')
  expect(headers['x-jack-deployment']).toMatch(/^dep_/)
})

test('statuses, repeated headers, HEAD, 204 and 304 pass unchanged', async () => {
  const url = await app(
    'answers',
    worker(`
      const { pathname } = new URL(request.url)
      if (pathname === '/cookies') { const h = new Headers(); h.append('set-cookie', 'a=1'); h.append('set-cookie', 'b=2'); return new Response('', { headers: h }) }
      if (pathname === '/teapot') return new Response('short and stout', { status: 418, headers: { 'x-tea': 'yes' } })
      return new Response(null, { status: Number(pathname.slice(1)) })`),
  )
  expect((await cloud.live(`${url}/cookies`)).headers['set-cookie']).toEqual(['a=1', 'b=2'])
  expect(await cloud.live(`${url}/teapot`)).toMatchObject({
    status: 418,
    text: 'short and stout',
    headers: { 'x-tea': 'yes' },
  })
  expect(await cloud.live(`${url}/teapot`, { method: 'HEAD' })).toMatchObject({
    status: 418,
    text: '',
  })
  expect((await cloud.live(`${url}/204`)).status).toBe(204)
  expect((await cloud.live(`${url}/304`)).status).toBe(304)
})

test('an app that throws answers 500, and the next request is answered as ever', async () => {
  const url = await app(
    'throws',
    worker(
      `if (request.url.endsWith('/bad')) throw new Error('oh no'); return new Response('fine')`,
    ),
  )
  expect((await cloud.live(`${url}/bad`)).status).toBe(500)
  expect((await cloud.live(`${url}/good`)).text).toBe('fine')
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/projects/throws/logs?level=error')).text)
    .toContain('oh no')
})

test('every answer carries the id of its request, which the app gets and nobody else can choose', async () => {
  const url = await app('named', {
    ...worker(
      `return new Response(request.headers.get('x-request-id'), { headers: { 'x-request-id': 'of the app', 'x-jack-deployment': 'forged' } })`,
    ),
  })
  const ids = new Set<unknown>()
  for (const headers of [{}, { 'x-request-id': 'of-the-client' }, { 'X-Request-Id': 'req_1' }]) {
    const answer = await cloud.live(url, { headers })
    expect(answer.headers['x-request-id']).toMatch(/^req_[0-9a-z]{24}$/)
    expect(answer.headers['x-jack-deployment']).toMatch(/^dep_/)
    expect(answer.text).toBe(answer.headers['x-request-id'])
    ids.add(answer.text)
  }
  expect(ids.size).toBe(3)
  const { json, headers } = await cloud.live(url.replace('named', 'nothing'))
  expect(json.request_id).toBe(headers['x-request-id'])
  expect((await cloud.live(`${url}/.well-known/jack`)).headers['x-request-id']).toMatch(/^req_/)
  const site = await app('named-files', { 'index.html': 'page' })
  expect((await cloud.live(site)).headers['x-request-id']).toMatch(/^req_/)
})

test('streams arrive as they are made, and end when the client leaves', async () => {
  const url = await app(
    'stream',
    worker(`
      const encoder = new TextEncoder(); let n = 0
      const body = new ReadableStream({
        async pull(controller) { if (n > 0) await new Promise((r) => setTimeout(r, 100)); controller.enqueue(encoder.encode('data: ' + n++ + '\\n\\n')) },
        cancel() { console.log('the reader left') },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })`),
  )
  const startedAt = performance.now()
  const { body } = await request(`http://127.0.0.1:${port}/`, {
    headers: { host: new URL(url).host },
  })
  let text = ''
  for await (const chunk of body) {
    text += chunk
    if (text.includes('data: 2')) break
  }
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  expect(text).toContain('data: 0\n\ndata: 1\n\n')
  await expect
    .poll(() => cloud.jack.engine.running().reduce((sum, it) => sum + it.requests, 0))
    .toBe(0)
})

test('a large body flows both ways without being held in memory', async () => {
  const url = await app('pipe', worker(`return new Response(request.body)`))
  const size = 30 * 1_048_576
  const before = process.memoryUsage.rss()
  const block = Buffer.alloc(65_536, 7)
  async function* source() {
    for (let sent = 0; sent < size; sent += block.length) yield block
  }
  const { body } = await request(`http://127.0.0.1:${port}/`, {
    method: 'POST',
    headers: { host: new URL(url).host },
    body: Readable.from(source()),
  })
  let received = 0
  for await (const chunk of body) received += chunk.length
  expect(received).toBe(size)
  expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 1_048_576)
})

test('a body over the limit is refused before the app sees it', async () => {
  const url = await app('small-mouth', worker(`return new Response('read')`))
  const answer = await raw(
    `POST / HTTP/1.1\r\nHost: ${new URL(url).host}\r\nContent-Length: 200000000\r\nConnection: close\r\n\r\n`,
  )
  expect(answer).toMatch(/^HTTP\/1.1 413 /)
})

test('what a WebSocket hears is logged with its request', async () => {
  const url = await app(
    'listener',
    worker(`
      const [client, server] = Object.values(new WebSocketPair())
      const never = () => console.log('never')
      server.accept()
      server.addEventListener('message', never)
      server.addEventListener('message', (event) => {
        console.log(event.data, event.target === server)
        if (event.data === 'b') throw new Error('in a listener')
      }, { once: false })
      server.removeEventListener('message', never)
      return new Response(null, { status: 101, webSocket: client })`),
  )
  const dispatcher = new Agent({
    connect: {
      lookup: (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
    },
  })
  const socket = new WebSocket(url.replace('http:', 'ws:'), { dispatcher })
  await once(socket as never, 'open')
  socket.send('a')
  socket.send('b')
  const request_id = expect.stringMatching(/^req_/)
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/projects/listener/logs')).json.logs)
    .toMatchObject([
      { message: 'a true', request_id },
      { message: 'b true', request_id },
      { message: expect.stringMatching(/^Uncaught Error: in a listener/), request_id },
    ])
  socket.close()
  await dispatcher.close()
})

test('WebSockets work end to end', async () => {
  const url = await app(
    'sockets',
    worker(`
      const [client, server] = Object.values(new WebSocketPair())
      server.accept()
      server.addEventListener('message', (event) => server.send('echo ' + event.data))
      return new Response(null, { status: 101, webSocket: client })`),
  )
  // Not every resolver knows that `*.localhost` is loopback.
  const dispatcher = new Agent({
    connect: {
      lookup: (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
    },
  })
  const socket = new WebSocket(url.replace('http:', 'ws:'), { dispatcher })
  await once(socket as never, 'open')
  socket.send('hello')
  const [message] = await once(socket as never, 'message')
  expect(message.data).toBe('echo hello')
  socket.close()
  await once(socket as never, 'close')
})

test.each([
  [
    'an unknown host',
    'GET / HTTP/1.1\r\nHost: nobody-here.localhost\r\nConnection: close\r\n\r\n',
    404,
  ],
  ['a foreign host', 'GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n', 404],
  ['no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
  [
    'two hosts',
    'GET / HTTP/1.1\r\nHost: a.localhost\r\nHost: b.localhost\r\nConnection: close\r\n\r\n',
    400,
  ],
  [
    'an absolute target',
    'GET http://other.localhost/ HTTP/1.1\r\nHost: local-echo.localhost\r\nConnection: close\r\n\r\n',
    400,
  ],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nHost: local-echo.localhost\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nabcde',
    400,
  ],
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nHost: local-echo.localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n',
    400,
  ],
  [
    'a bad chunk',
    'POST / HTTP/1.1\r\nHost: local-echo.localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n',
    400,
  ],
])('a request with %s is refused', async (_, text, status) => {
  expect(await raw(text)).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
})

test('a browser gets a page when there is nothing, a program gets a problem', async () => {
  const url = `http://nobody-here.${cloud.jack.urls.authority}`
  const page = await cloud.live(url, { headers: { accept: 'text/html' } })
  expect(page.status).toBe(404)
  expect(page.text).toContain('<!doctype html>')
  expect((await cloud.live(url)).json).toMatchObject({ code: 'not_found' })
})

test('every live URL describes itself', async () => {
  const url = await app('self', worker(`return new Response('')`))
  expect((await cloud.live(`${url}/.well-known/jack`)).json).toEqual({
    deployment_id: expect.stringMatching(/^dep_/),
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    parts: {
      code: expect.stringMatching(/^[0-9a-f]{64}$/),
      assets: expect.stringMatching(/^[0-9a-f]{64}$/),
      settings: expect.stringMatching(/^[0-9a-f]{64}$/),
    },
    deployed_at: expect.any(String),
    live: true,
    expires_at: expect.stringMatching(/^20/),
    limits: {
      cpu_ms_limit: 5000,
      memory_mb_limit: 128,
      request_body_bytes_limit: 104_857_600,
      requests_at_once_limit: 500,
      websockets_at_once_limit: 1_000,
    },
  })
})

const css = `body { color: #${'a'.repeat(3)} }\n`.repeat(200)

test('static files: types, ETag, compression, ranges, redirects, 404', async () => {
  const url = await app('site', {
    'index.html': '<h1>home</h1>',
    'about.html': '<h1>about</h1>',
    'style.css': css,
    '404.html': '<h1>lost</h1>',
  })
  const home = await cloud.live(`${url}/`)
  expect(home).toMatchObject({ status: 200, text: '<h1>home</h1>' })
  expect(home.headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    etag: expect.any(String),
  })
  expect(
    (await cloud.live(`${url}/`, { headers: { 'if-none-match': String(home.headers.etag) } }))
      .status,
  ).toBe(304)

  const { body, headers } = await request(`http://127.0.0.1:${port}/style.css`, {
    headers: { host: new URL(url).host, 'accept-encoding': 'gzip' },
  })
  expect(headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' })
  expect(gunzipSync(Buffer.from(await body.arrayBuffer())).toString()).toBe(css)
  const brotli = await cloud.live(`${url}/style.css`, {
    headers: { 'accept-encoding': 'gzip, br' },
  })
  expect(brotli.headers['content-encoding']).toBe('br')
  expect(String(brotli.headers.etag)).not.toBe(String(headers.etag))

  const part = await cloud.live(`${url}/style.css`, { headers: { range: 'bytes=5-8' } })
  expect(part).toMatchObject({ status: 206, text: css.slice(5, 9) })
  expect(
    (await cloud.live(`${url}/style.css`, { headers: { range: 'bytes=999999-' } })).status,
  ).toBe(416)
  expect(await cloud.live(`${url}/about.html?x=1`)).toMatchObject({
    status: 307,
    headers: { location: '/about?x=1' },
  })
  expect(await cloud.live(`${url}/nothing`)).toMatchObject({ status: 404, text: '<h1>lost</h1>' })
  expect((await cloud.live(`${url}/`, { method: 'HEAD' })).text).toBe('')
  expect((await cloud.live(`${url}/`, { method: 'POST' })).status).toBe(404)
})

test('a single-page app answers deep links, and its worker answers the rest', async () => {
  const url = await app('spa', {
    'public/index.html': '<div id="app"></div>',
    'src/index.ts': `export default { async fetch(request, env) {
      const { pathname } = new URL(request.url)
      if (pathname === '/api/page') return env.ASSETS.fetch(new URL('/index.html', request.url))
      return pathname.startsWith('/api/') ? Response.json({ pathname }) : new Response('worker', { status: 404 }) } }`,
    'wrangler.jsonc': JSON.stringify({
      name: 'spa',
      main: 'src/index.ts',
      compatibility_date: '2026-01-01',
      assets: {
        directory: 'public',
        binding: 'ASSETS',
        not_found_handling: 'single-page-application',
      },
    }),
  })
  expect((await cloud.live(`${url}/`)).text).toBe('<div id="app"></div>')
  expect(
    (await cloud.live(`${url}/deep/link`, { headers: { 'sec-fetch-mode': 'navigate' } })).text,
  ).toBe('<div id="app"></div>')
  expect((await cloud.live(`${url}/api/users`)).json).toEqual({ pathname: '/api/users' })
  const page = await cloud.live(`${url}/api/page`)
  expect([200, 307]).toContain(page.status)
})

test('redeploys and new environments under load lose no request', async () => {
  const source = (n: number) =>
    worker(`await new Promise((r) => setTimeout(r, 5)); return new Response('v${n}')`)
  const url = await app('busy', source(0))
  const { host } = new URL(url)
  const agent = new Agent({ connections: 16 })
  const statuses = new Map<number, number>()
  let running = true
  const load = Array.from({ length: 8 }, async () => {
    while (running) {
      const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, {
        headers: { host },
        dispatcher: agent,
      })
      await body.dump()
      statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
    }
  })
  for (let n = 1; n <= 8; n++) {
    await app('busy', source(n))
    if (n % 3 === 0) await cloud.api('PATCH', '/v1/projects/busy/env', { env: { N: String(n) } })
    await sleep(50)
  }
  running = false
  await Promise.all(load)
  await agent.close()
  expect([...statuses.keys()]).toEqual([200])
  expect((await cloud.live(url)).text).toBe('v8')
}, 60_000)

test('an app that spins is ended alone; its neighbours notice nothing', async () => {
  const spinner = await app(
    'spinner',
    worker(`if (request.url.endsWith('/spin')) for (;;); return new Response('calm')`),
  )
  const neighbour = await app('neighbour', worker(`return new Response('here')`))
  const spun = cloud.live(`${spinner}/spin`)
  const seen = []
  for (let i = 0; i < 20; i++) seen.push((await cloud.live(neighbour)).text)
  expect(new Set(seen)).toEqual(new Set(['here']))
  expect((await spun).status).toBe(502)
  await expect.poll(async () => (await cloud.live(spinner)).text, { timeout: 10_000 }).toBe('calm')
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/projects/spinner/logs?level=error')).text)
    .toContain('killed: cpu')
}, 60_000)

test('an app that sleeps wakes for many requests at once with one process', async () => {
  const napper = await testCloud({ JACK_IDLE_MS: '100' })
  try {
    const { json } = await napper.api('POST', '/deploy', {
      name: 'nap',
      files: worker(`return new Response('awake')`),
    })
    await expect.poll(() => napper.jack.engine.running().length, { timeout: 5_000 }).toBe(0)
    const replies = await Promise.all(Array.from({ length: 30 }, () => napper.live(json.url)))
    expect(new Set(replies.map((it) => it.text))).toEqual(new Set(['awake']))
    expect(napper.jack.engine.running().length).toBe(1)
  } finally {
    await napper.close()
  }
})
