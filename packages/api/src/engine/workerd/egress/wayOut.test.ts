import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, createServer as createNetServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Addresses } from './addresses.ts'
import { listenOn } from './testing.ts'
import { WayOut } from './wayOut.ts'

// Spoken to as by a program that got out of its isolate: in raw bytes.

const dir = mkdtempSync(join(tmpdir(), 'jack-test-'))
const path = join(dir, 'o.sock')
const seen: string[] = []
const upstream = createNetServer((socket: Socket) => {
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    seen.push(chunk.toString('latin1'))
    const answer = answers[/^\w+ (\S+)/.exec(chunk.toString('latin1'))?.[1] ?? '']
    socket.write(answer ?? 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  })
})
const answers: Record<string, string> = {
  '/two-lengths':
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 30\r\n\r\nok' +
    'HTTP/1.1 200 OK\r\n\r\nforged',
  '/both':
    'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  '/hints':
    'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
  '/switch': 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
  '/hop':
    'HTTP/1.1 200 OK\r\nconnection: x-own, keep-alive\r\nx-own: 1\r\nx-jack-egress: forged\r\n' +
    'x-kept: 1\r\nX-Kept: 2\r\ncontent-length: 2\r\n\r\nok',
  '/trailer':
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n',
}
let at = ''
let way: WayOut

beforeAll(async () => {
  at = `127.0.0.1:${await listenOn(upstream)}`
  const listener = createNetServer()
  way = new WayOut(listener, {
    hosts: null,
    limits: { connections: 8, waiting: 8, requestsPerSecond: 1000, burst: 1000 },
    addresses: new Addresses([at], []),
    secureContext: createSecureContext(),
  })
  await new Promise<void>((resolve) => listener.listen(path, resolve))
})
afterAll(() => {
  way.end()
  upstream.close()
  rmSync(dir, { recursive: true })
})

/** Everything that comes back for these bytes. */
function say(bytes: string, until = /\r\n\r\n/): Promise<string> {
  seen.length = 0
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect(path)
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (until.test(answer)) socket.destroy()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
    socket.write(bytes, 'latin1')
  })
}
const body = /ok$|ok\r\n0\r\n\r\n$/

it('makes the request with the host of its URL, whatever the header says, and no header of the hop', async () => {
  const answer = await say(
    `GET http://${at}/x HTTP/1.1\r\nHost: other.example\r\nConnection: x-own, keep-alive\r\nX-Own: 1\r\nTE: trailers\r\nProxy-Authorization: x\r\nX-Kept: 1\r\nX-Kept: 2\r\n\r\n`,
    body,
  )
  expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  expect(seen).toEqual([
    `GET /x HTTP/1.1\r\nhost: ${at}\r\nx-kept: 1\r\nx-kept: 2\r\nConnection: keep-alive\r\n\r\n`,
  ])
})

it.each([
  ['two lengths', 'POST', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'],
  [
    'a length and chunks',
    'POST',
    'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG',
  ],
  ['chunks by another name', 'POST', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
  ['chunks that are not last', 'POST', 'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
  ['a length that is no number', 'POST', 'Content-Length: +5\r\n\r\nhello'],
  ['a folded header', 'GET', 'X-A: 1\r\n Transfer-Encoding: chunked\r\n\r\n'],
  ['a space before the colon', 'POST', 'Content-Length : 5\r\n\r\nhello'],
  ['a bare line feed', 'GET', 'X-A: 1\nX-B: 2\r\n\r\n'],
  ['a header with a zero', 'GET', 'X-A: \0\r\n\r\n'],
])('passes nothing on of a request with %s', async (_, method, rest) => {
  await say(`${method} http://${at}/ HTTP/1.1\r\n${rest}`)
  expect(seen).toEqual([])
})

it.each([
  ['/x', 400],
  ['http://user:password@AT/', 400],
  ['ftp://AT/', 400],
  ['http://127.0.0.1:1/', 403],
  ['http://[::1]:1/', 403],
  ['http://[::ffff:127.0.0.1]:1/', 403],
])('answers a request for %s with %i', async (url, status) => {
  expect(await say(`GET ${url.replace('AT', at)} HTTP/1.1\r\n\r\n`)).toMatch(
    new RegExp(`^HTTP/1.1 ${status} .*x-jack-egress: refused`, 's'),
  )
  expect(seen).toEqual([])
})

it('refuses tunnels and protocols other than that of WebSockets', async () => {
  expect(await say(`CONNECT ${at} HTTP/1.1\r\n\r\n`)).toMatch(/^HTTP\/1.1 403 /)
  const upgrade = `GET http://${at}/ HTTP/1.1\r\nConnection: upgrade\r\n`
  expect(await say(`${upgrade}Upgrade: h2c\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /)
  expect(await say(`${upgrade}Upgrade: websocket\r\n\r\nGET / HTTP/1.1\r\n\r\n`)).toMatch(
    /^HTTP\/1.1 400 /,
  )
  expect(seen).toEqual([])
})

it('frames a body of a request that commonly has none', async () => {
  await say(
    `DELETE http://${at}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n`,
    body,
  )
  expect(seen.join('')).toMatch(
    /^DELETE \/ HTTP\/1.1\r\n.*transfer-encoding: chunked\r\n.*\r\n\r\n1a\r\nGET \/smuggled HTTP\/1.1\r\n\r\n\r\n/s,
  )
})

it.each([
  ['/two-lengths', /^HTTP\/1.1 502 (?!.*forged)/s],
  ['/both', /^HTTP\/1.1 502 /],
  ['/switch', /^HTTP\/1.1 502 /],
  ['/hints', /^HTTP\/1.1 200 OK\r\ncontent-length: 2\r\n/],
  ['/trailer', /^HTTP\/1.1 200 OK\r\n(?!.*x-t)/s],
])('makes one sound answer or none of what %s says', async (target, answer) => {
  const until = target === '/trailer' || target === '/hints' ? body : /\r\n\r\n/
  expect(await say(`GET http://${at}${target} HTTP/1.1\r\n\r\n`, until)).toMatch(answer)
})

it("gives back headers that are the message's, and none in our name", async () => {
  const answer = await say(`GET http://${at}/hop HTTP/1.1\r\n\r\n`, body)
  expect(answer).toMatch(/\r\nx-kept: 1\r\nx-kept: 2\r\n/)
  expect(answer).not.toMatch(/x-own|forged/)
})

it('answers to "Expect: 100-continue" itself', async () => {
  const answer = await say(
    `POST http://${at}/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi`,
    body,
  )
  expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/)
  expect(seen.join('')).not.toMatch(/expect/i)
})

it('breaks off an answer that is broken off', async () => {
  const cut = createServer((request, response) => {
    response.writeHead(200, { 'content-length': 20 })
    response.write('ok')
    setTimeout(() => request.socket.destroy(), 20)
  })
  const listener = createNetServer()
  const cutAt = `127.0.0.1:${await listenOn(cut)}`
  const other = new WayOut(listener, {
    hosts: null,
    limits: { connections: 1, waiting: 1, requestsPerSecond: 10, burst: 10 },
    addresses: new Addresses([cutAt], []),
    secureContext: createSecureContext(),
  })
  const port = await listenOn(listener)
  const closed = await new Promise<string>((resolve) => {
    let answer = ''
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
    socket.write(`GET http://${cutAt}/ HTTP/1.1\r\n\r\n`)
  })
  expect(closed).toMatch(/content-length: 20\r\n.*ok$/s)
  other.end()
  cut.close()
})
