import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Agent, type CloseEvent, WebSocket } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { deployed, dial, exchange, openRequests, statusesIn } from './testing/wire.ts'

let cloud: TestCloud
let host: string
// Not every resolver knows that `*.localhost` is loopback.
const dispatcher = new Agent({
  connect: { lookup: (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]) },
})
beforeAll(async () => {
  cloud = await testCloud()
  host = await deployed(
    cloud,
    'echo',
    `
    const { pathname } = new URL(request.url)
    if (pathname === '/no') return new Response('not for you', { status: 401, headers: [['www-authenticate', 'Basic'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']] })
    if (request.headers.get('upgrade') !== 'websocket') return new Response('plain')
    if (pathname === '/throw') throw new Error('oh no')
    const [client, server] = Object.values(new WebSocketPair())
    server.binaryType = 'arraybuffer'
    server.accept()
    server.addEventListener('message', ({ data }) => {
      if (data === 'leave') server.close(4001, 'as you wish')
      else server.send(data)
    })
    server.addEventListener('close', ({ code, reason }) => console.log('closed with ' + code + ' ' + reason))
    return new Response(null, { status: 101, webSocket: client, headers: { 'set-cookie': 'c=3' } })`,
  )
})
afterAll(async () => {
  await dispatcher.close()
  await cloud.close()
})

async function open(of = host, path = '/'): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${of}${path}`, { dispatcher })
  socket.binaryType = 'arraybuffer'
  await once(socket as never, 'open')
  return socket
}
const answered = async (socket: WebSocket, data: string | ArrayBuffer) => {
  const reply = once(socket as never, 'message')
  socket.send(data)
  return (await reply)[0].data
}

const handshake = (of = host, path = '/') =>
  [
    `GET ${path} HTTP/1.1`,
    `Host: ${of}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    '',
    '',
  ].join('\r\n')

/** A connection after its handshake, whose frames the test makes and reads itself. */
async function openRaw(
  of = host,
): Promise<{ socket: Socket; frames(): ReturnType<typeof framesIn> }> {
  const { socket, text } = await dial(cloud)
  socket.write(handshake(of))
  await expect.poll(text, { timeout: 20_000 }).toContain('\r\n\r\n')
  expect(text()).toMatch(/^HTTP\/1\.1 101 /)
  return {
    socket,
    frames: () =>
      framesIn(Buffer.from(text().split('\r\n\r\n').slice(1).join('\r\n\r\n'), 'latin1')),
  }
}

/** A masked frame (RFC 6455, 5.2) with less than 126 bytes. */
function frame(opcode: number, payload: string | Buffer, { last = true } = {}): Buffer {
  const bytes = Buffer.from(payload)
  const mask = randomBytes(4)
  const head = Buffer.from([(last ? 0x80 : 0) | opcode, 0x80 | bytes.length])
  return Buffer.concat([head, mask, bytes.map((byte, i) => byte ^ (mask[i % 4] as number))])
}

function framesIn(bytes: Buffer): { opcode: number; text: string }[] {
  const frames = []
  for (let at = 0; at + 2 <= bytes.length; ) {
    const length = (bytes[at + 1] as number) & 0x7f
    const opcode = (bytes[at] as number) & 0x0f
    frames.push({ opcode, text: bytes.subarray(at + 2, at + 2 + length).toString('latin1') })
    at += 2 + length
  }
  return frames
}

test('texts and bytes of any size come back as they were', async () => {
  const socket = await open()
  for (const text of ['', 'x', 'é🙂', 'a'.repeat(126), 'b'.repeat(65_536), 'c'.repeat(900_000)])
    expect(await answered(socket, text)).toBe(text)
  const bytes = randomBytes(500_000)
  const back = await answered(
    socket,
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
  )
  expect(Buffer.from(back).equals(bytes)).toBe(true)
  socket.close()
})

test('a message in fragments is one message, and a ping between them is answered', async () => {
  const { socket, frames } = await openRaw()
  socket.write(frame(1, 'one ', { last: false }))
  socket.write(frame(9, 'are you there'))
  socket.write(frame(0, 'two ', { last: false }))
  socket.write(frame(0, 'three'))
  await expect.poll(frames).toEqual([
    { opcode: 10, text: 'are you there' },
    { opcode: 1, text: 'one two three' },
  ])
  socket.destroy()
})

test('frames that come with the handshake are not lost', async () => {
  const { socket, text } = await dial(cloud)
  socket.write(Buffer.concat([Buffer.from(handshake()), frame(1, 'early')]))
  await expect.poll(text).toMatch(/early$/)
  socket.destroy()
})

test('each side hears with which code and words the other one closes', async () => {
  const leaving = await open()
  const closed = once(leaving as never, 'close') as Promise<[CloseEvent]>
  leaving.send('leave')
  const [{ code, reason, wasClean }] = await closed
  expect({ code, reason, wasClean }).toEqual({ code: 4001, reason: 'as you wish', wasClean: true })

  const left = await open()
  left.close(4002, 'good bye')
  const [mine] = (await once(left as never, 'close')) as [CloseEvent]
  expect(mine.wasClean).toBe(true)
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/projects/echo/logs')).text, { timeout: 10_000 })
    .toContain('closed with 4002 good bye')
})

test('a frame that is none ends this connection alone', async () => {
  const other = await open()
  const { socket } = await openRaw()
  // No such opcode.
  socket.write(frame(3, 'x'))
  await once(socket, 'close')
  expect(await answered(other, 'still here')).toBe('still here')
  other.close()
})

test('an app that refuses a WebSocket says so in its own words', async () => {
  const text = await exchange(cloud, handshake(host, '/no'))
  expect(statusesIn(text)).toEqual([401])
  expect(text).toContain('www-authenticate: Basic')
  expect(text).toContain('set-cookie: a=1\r\nset-cookie: b=2')
  expect(text).toMatch(/not for you$/)
  expect(statusesIn(await exchange(cloud, handshake(host, '/throw')))).toEqual([500])
})

test('what is no handshake, or leads nowhere, is refused in words', async () => {
  const nobody = await exchange(cloud, handshake(host.replace('local-', 'nobody-')))
  expect(statusesIn(nobody)).toEqual([404])
  expect(nobody).toContain('"code":"not_found"')
  const posted = await exchange(cloud, handshake().replace('GET', 'POST'))
  expect(statusesIn(posted)).toEqual([400])
  const twoHosts = await exchange(cloud, handshake().replace('Host:', 'Host: x.localhost\r\nHost:'))
  expect(statusesIn(twoHosts)).not.toContain(101)
})

test('a connection lasts through a redeploy and a new environment; new ones reach what is new', async () => {
  const source = (n: number) => `
    if (request.headers.get('upgrade') !== 'websocket') return new Response('v${n}')
    const [client, server] = Object.values(new WebSocketPair())
    server.accept()
    server.addEventListener('message', ({ data }) => server.send('v${n} ' + env.N + ' ' + data))
    return new Response(null, { status: 101, webSocket: client })`
  const of = await deployed(cloud, 'lasting', source(1), { env: { N: 'a' } })
  const first = await open(of)
  expect(await answered(first, 'x')).toBe('v1 a x')
  await deployed(cloud, 'lasting', source(2))
  expect((await cloud.live(`http://${of}/`)).text).toBe('v2')
  const second = await open(of)
  expect(await answered(second, 'y')).toBe('v2 a y')
  expect(await answered(first, 'z')).toBe('v1 a z')
  await cloud.api('PATCH', '/v1/projects/lasting/env', { env: { N: 'b' } })
  const third = await open(of)
  expect(await answered(third, 'w')).toBe('v2 b w')
  expect(await answered(second, 'still')).toBe('v2 a still')
  for (const socket of [first, second, third]) socket.close()
  await expect.poll(() => openRequests(cloud)).toBe(0)
})

test('nothing is kept of a client that vanishes, and a client hears that the app died', async () => {
  const { socket } = await openRaw()
  await expect.poll(() => openRequests(cloud)).toBe(1)
  socket.resetAndDestroy()
  await expect.poll(() => openRequests(cloud)).toBe(0)

  const { project_id } = (await cloud.api('GET', '/v1/projects/echo')).json
  const orphan = await open()
  const closed = once(orphan as never, 'close') as Promise<[CloseEvent]>
  const app = cloud.jack.engine.running().find((it) => it.projectId === project_id)
  process.kill(app?.pid as number, 'SIGKILL')
  expect((await closed)[0].wasClean).toBe(false)
  await expect.poll(() => openRequests(cloud)).toBe(0)
})

test('an app has so many WebSockets at once and no more', async () => {
  const sockets: Socket[] = []
  for (let i = 0; i < 20; i++) {
    const some = await Promise.all(Array.from({ length: 50 }, () => openRaw()))
    sockets.push(...some.map((it) => it.socket))
  }
  const refused = await exchange(cloud, handshake())
  expect(statusesIn(refused)).toEqual([503])
  expect(refused).toContain('retry-after: 1')
  expect((await cloud.live(`http://${host}/`)).text).toBe('plain')
  sockets.pop()?.destroy()
  await expect.poll(() => openRequests(cloud)).toBe(999)
  sockets.push((await openRaw()).socket)
  for (const socket of sockets) socket.destroy()
  await expect.poll(() => openRequests(cloud), { timeout: 20_000 }).toBe(0)
}, 120_000)
