import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createListener } from '../server.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { answeredHeaders } from './forward.ts'
import { deployed, dial, exchange, statusesIn } from './testing/wire.ts'

let cloud: TestCloud
/** An app that remembers which paths it was asked for, and answers what it sees. */
let host: string
let other: string
beforeAll(async () => {
  cloud = await testCloud()
  const echo = `
    const { pathname } = new URL(request.url)
    globalThis.seen ??= []
    if (pathname === '/seen') return Response.json(globalThis.seen)
    globalThis.seen.push(pathname)
    return Response.json({ path: pathname, headers: Object.fromEntries(request.headers), body: await request.text() })`
  host = await deployed(cloud, 'framed', echo)
  other = await deployed(cloud, 'secret', `return new Response('of somebody else')`)
})
afterAll(() => cloud.close())

const seen = async (): Promise<string[]> => (await cloud.live(`http://${host}/seen`)).json
const get = (path: string, ...lines: string[]) =>
  [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n')
const smuggled = () => get('/smuggled', 'Connection: close')

test.each([
  ['length and chunks', ['Content-Length: 6', 'Transfer-Encoding: chunked'], '0\r\n\r\nX'],
  ['chunks and length', ['Transfer-Encoding: chunked', 'Content-Length: 6'], '0\r\n\r\n'],
  ['two lengths', ['Content-Length: 0', 'Content-Length: 44'], ''],
  ['two lengths in one', ['Content-Length: 0, 44'], ''],
  ['a signed length', ['Content-Length: +0'], ''],
  ['a hexadecimal length', ['Content-Length: 0x0'], ''],
  ['a length with a space before its colon', ['Content-Length : 44'], ''],
  ['chunks that are not last', ['Transfer-Encoding: chunked, identity'], '0\r\n\r\n'],
  ['another coding', ['Transfer-Encoding: identity', 'Content-Length: 44'], ''],
  ['a coding that only looks like chunks', ['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
  ['chunks twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'],
  ['a chunk size that is none', ['Transfer-Encoding: chunked'], 'ZZ\r\n\r\n'],
  ['a chunk that is longer than it says', ['Transfer-Encoding: chunked'], '1\r\nabc\r\n0\r\n\r\n'],
  ['a chunk that ends in a bare line feed', ['Transfer-Encoding: chunked'], '1\na\n0\n\n'],
  ['a header with a bare carriage return', ['X: a\rTransfer-Encoding: chunked'], ''],
  ['a header with a NUL', ['X: a\0b'], ''],
  ['a name with a space', ['X Y: a'], ''],
  ['a header without a colon', ['Nonsense'], ''],
])('a request with %s is refused, and what follows is no request', async (_, lines, body) => {
  const text = await exchange(
    cloud,
    [`POST /first HTTP/1.1`, `Host: ${host}`, ...lines, '', body + smuggled()].join('\r\n'),
  )
  expect(statusesIn(text)).toEqual([400])
  expect(await seen()).not.toContain('/smuggled')
})

test('a request whose lines end in bare line feeds is refused', async () => {
  expect(statusesIn(await exchange(cloud, get('/lf').replaceAll('\r\n', '\n')))).toEqual([400])
})

test('a folded header is one value or refused, never two headers', async () => {
  const text = await exchange(cloud, get('/folded', 'X-A: one\r\n X-B: two', 'Connection: close'))
  if (statusesIn(text)[0] === 200) expect(text).not.toContain('"x-b"')
  else expect(statusesIn(text)).toEqual([400])
})

test('extensions of chunks are no part of the body', async () => {
  const text = await exchange(
    cloud,
    `POST /ext HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3;a="b\\";c"\r\nabc\r\n0;x\r\n\r\n`,
  )
  expect(text).toContain('"body":"abc"')
})

test('headers beyond 16 KB are refused as such', async () => {
  expect(statusesIn(await exchange(cloud, get('/big', `X: ${'a'.repeat(20_000)}`)))).toEqual([431])
})

test('requests that come in one piece are answered in their order', async () => {
  const text = await exchange(cloud, get('/1') + get('/2') + get('/3', 'Connection: close'))
  expect([...text.matchAll(/"path":"(\/\d)"/g)].map((it) => it[1])).toEqual(['/1', '/2', '/3'])
})

test('a connection is used again, also for another app', async () => {
  const first = get('/keep')
  const second = first
    .replace(host, other)
    .replace('HTTP/1.1\r\n', 'HTTP/1.1\r\nConnection: close\r\n')
  const text = await exchange(cloud, first + second)
  expect(statusesIn(text)).toEqual([200, 200])
  expect(text).toContain('of somebody else')
})

test('nonsense after a request cuts the connection, and is not written into the answer', async () => {
  const stream = await deployed(
    cloud,
    'endless',
    `let n = 0; return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 20)); c.enqueue(new TextEncoder().encode('part ' + n++ + '\\n')) } }))`,
  )
  const { socket, text } = await dial(cloud)
  socket.write(`GET / HTTP/1.1\r\nHost: ${stream}\r\n\r\n`)
  await expect.poll(text).toContain('part 2')
  socket.write('NONSENSE\r\n\r\n')
  if (!socket.closed) await once(socket, 'close')
  expect(statusesIn(text())).toEqual([200])
})

test('before a large body the client is told to go on, or that it is too large', async () => {
  const ask = (length: number) =>
    `POST /c HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`
  const { socket, text } = await dial(cloud)
  socket.write(ask(4))
  await expect.poll(text).toBe('HTTP/1.1 100 Continue\r\n\r\n')
  socket.write('body')
  await once(socket, 'close')
  expect(text()).toContain('"body":"body"')
  expect(text()).not.toContain('"expect"')
  expect(statusesIn(await exchange(cloud, ask(200_000_000)))).toEqual([413])
})

test('another protocol that is offered along the way is ignored', async () => {
  const offer = ['Connection: Upgrade, HTTP2-Settings, close', 'Upgrade: h2c', 'HTTP2-Settings: x']
  const text = await exchange(cloud, get('/h2c', ...offer))
  expect(statusesIn(text)).toEqual([200])
  expect(text).not.toContain('http2-settings')
})

test.each([
  ['in other case', (it: string) => it.toUpperCase(), 200],
  ['with a dot at its end', (it: string) => it.replace(':', '.:'), 200],
  ['without a port', (it: string) => it.split(':')[0] as string, 200],
  ['with another port', (it: string) => `${it.split(':')[0]}:1`, 200],
  ['with a user', (it: string) => `user@${it}`, 404],
  ['with a path', (it: string) => `${it}/x`, 404],
  ['with a space', (it: string) => `${it} x`, 404],
  ['with two dots', (it: string) => it.replace('.', '..'), 404],
  ['in letters of another alphabet', () => 'fr\xe4med.localhost', 404],
  ['as a list', (it: string) => `${it}, ${it}`, 404],
  ['below another', (it: string) => `a.${it}`, 404],
])('a host %s leads to the app or nowhere', async (_, change, status) => {
  const text = await exchange(
    cloud,
    `GET /host HTTP/1.1\r\nHost: ${change(host)}\r\nConnection: close\r\n\r\n`,
  )
  expect(statusesIn(text)).toEqual([status])
  expect(text).not.toContain('of somebody else')
})

test.each([
  ['two hosts', `GET / HTTP/1.1\r\nHost: HOST\r\nHost: OTHER\r\n\r\n`],
  ['two equal hosts', `GET / HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n`],
  ['a target of another host', `GET http://OTHER/ HTTP/1.1\r\nHost: HOST\r\n\r\n`],
  ['a target without a slash', `GET seen HTTP/1.1\r\nHost: HOST\r\n\r\n`],
  ['a tunnel', `CONNECT OTHER HTTP/1.1\r\nHost: HOST\r\n\r\n`],
  ['an empty host', `GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n`],
])('%s reach nobody', async (_, template) => {
  const text = await exchange(cloud, template.replaceAll('HOST', host).replaceAll('OTHER', other))
  expect(text).not.toContain('of somebody else')
  for (const status of statusesIn(text)) expect(status).toBeGreaterThanOrEqual(400)
})

test('what belongs to one hop stays there, and nobody forges who asks or takes a host away', async () => {
  const text = await exchange(
    cloud,
    get(
      '/hop',
      'Connection: close, X-Private, Host, Cookie',
      'X-Private: 1',
      'Cookie: a=1',
      'Keep-Alive: timeout=5',
      'TE: trailers',
      'Proxy-Authorization: Basic x',
      'X-Forwarded-For: 6.6.6.6',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Port: 1',
      'X-Real-IP: 6.6.6.6',
      'CF-Connecting-IP: 6.6.6.6',
      'CF-IPCountry: XX',
      'True-Client-IP: 6.6.6.6',
      'Forwarded: for=6.6.6.6',
      'X-Jack-Deployment: dep_x',
      'X-Kept: yes',
    ),
  )
  const { headers } = JSON.parse(/\{"path".*\}/.exec(text)?.[0] as string)
  expect(headers).toEqual({
    host,
    // Of the gateway's own hop.
    connection: 'keep-alive',
    'x-kept': 'yes',
    'x-request-id': expect.stringMatching(/^req_/),
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': host,
    'x-forwarded-proto': 'http',
    'x-real-ip': '127.0.0.1',
    'cf-connecting-ip': '127.0.0.1',
  })
})

test('behind a proxy, what the outermost trusted one saw is believed, and nothing left of it', async () => {
  const proxied = await testCloud({ JACK_TRUSTED_PROXIES: '1' })
  try {
    const of = await deployed(
      proxied,
      'proxied',
      `return Response.json(Object.fromEntries(request.headers))`,
    )
    const seenBy = async (headers: Record<string, string>) =>
      (await proxied.live(`http://${of}/`, { headers })).json
    expect(
      await seenBy({
        'x-forwarded-for': '6.6.6.6, 9.9.9.9',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'evil.example',
      }),
    ).toMatchObject({
      'x-forwarded-for': '9.9.9.9',
      'cf-connecting-ip': '9.9.9.9',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': of,
    })
    expect(await seenBy({ 'x-forwarded-proto': 'javascript' })).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    })
  } finally {
    await proxied.close()
  }
})

test('an app cannot say which version it is', async () => {
  const forger = await deployed(
    cloud,
    'forger',
    `return new Response('x', { headers: { 'x-jack-deployment': 'dep_forged', 'x-kept': 'yes' } })`,
  )
  const { headers } = await cloud.live(`http://${forger}/`)
  expect(headers).toMatchObject({
    'x-kept': 'yes',
    'x-jack-deployment': expect.stringMatching(/^dep_\w{20,}$/),
  })
})

test('headers of the hop do not come back from an app', () => {
  const raw = ['Connection', 'x-private, close', 'X-Private', '1', 'Keep-Alive', 'timeout=1']
  const more = [
    'Transfer-Encoding',
    'chunked',
    'Upgrade',
    'h2c',
    'X-Kept',
    'yes',
    'Set-Cookie',
    'a',
  ]
  expect(answeredHeaders([...raw, ...more])).toEqual(['x-kept', 'yes', 'set-cookie', 'a'])
})

test('whoever takes forever to say what he wants is cut off, and so is whoever says nothing', async () => {
  const server = createListener({ headersTimeoutMs: 300, checkEveryMs: 50 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const slow = connect(port, '127.0.0.1')
  const silent = connect(port, '127.0.0.1')
  let text = ''
  slow.on('data', (chunk) => {
    text += chunk
  })
  silent.resume()
  slow.write('GET / HTTP/1.1\r\nHost: x\r\n')
  const drip = setInterval(() => slow.write('X: y\r\n'), 20)
  // What comes after the answer makes the kernel forget that (RST), read or not.
  setTimeout(() => clearInterval(drip), 250)
  slow.on('error', () => {})
  await Promise.all([once(slow, 'close'), once(silent, 'close')])
  expect(text).toMatch(/^HTTP\/1\.1 408 /)
  server.close()
})

test('two thousand idle connections keep nobody from being answered', async () => {
  const idle = await Promise.all(Array.from({ length: 2_000 }, () => dial(cloud)))
  const before = process.memoryUsage.rss()
  for (const { socket } of idle.slice(0, 1_000)) socket.write('GET /idle HTTP/1.1\r\n')
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => cloud.live(`http://${host}/among-many`)),
  )
  expect(new Set(replies.map((it) => it.status))).toEqual(new Set([200]))
  expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 1_048_576)
  for (const { socket } of idle) socket.destroy()
})
