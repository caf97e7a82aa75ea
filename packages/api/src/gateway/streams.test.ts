import { once } from 'node:events'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { deployed, dial, openRequests, portOf, statusesIn } from './testing/wire.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const megabyte = 1_048_576
const json = async (host: string, path: string) => (await cloud.live(`http://${host}${path}`)).json
const ask = (host: string, path: string, ...lines: string[]) =>
  [`GET ${path} HTTP/1.1`, `Host: ${host}`, ...lines, '', ''].join('\r\n')
const logsOf = async (name: string) => (await cloud.api('GET', `/v1/projects/${name}/logs`)).text

/** Resolves with a number when it has stopped to change. */
async function settled(read: () => Promise<number>): Promise<number> {
  for (let before = await read(), same = 0; ; ) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    const now = await read()
    same = now === before ? same + 1 : 0
    if (same === 5) return now
    before = now
  }
}

test('a client that does not read stops the app, not the server', async () => {
  const host = await deployed(
    cloud,
    'fountain',
    `
    if (request.url.endsWith('/made')) return Response.json(globalThis.made ?? 0)
    const block = new Uint8Array(65_536)
    globalThis.made = 0
    return new Response(new ReadableStream({ pull(c) {
      if (globalThis.made >= 200 * 1_048_576) return c.close()
      globalThis.made += block.length; c.enqueue(block)
    } }, { highWaterMark: 0 }))`,
  )
  const before = process.memoryUsage.rss()
  const { socket } = await dial(cloud)
  socket.pause()
  socket.write(ask(host, '/', 'Connection: close'))
  const made = await settled(() => json(host, '/made'))
  expect(made).toBeGreaterThan(0)
  expect(made).toBeLessThan(40 * megabyte)
  expect(process.memoryUsage.rss() - before).toBeLessThan(60 * megabyte)

  socket.removeAllListeners('data')
  let received = 0
  let peak = 0
  socket.on('data', (chunk) => {
    received += chunk.length
    peak = Math.max(peak, process.memoryUsage.rss())
  })
  socket.resume()
  await once(socket, 'close')
  expect(received).toBeGreaterThan(200 * megabyte)
  expect(peak - before).toBeLessThan(150 * megabyte)
})

test('an app that does not read stops the client', async () => {
  const host = await deployed(
    cloud,
    'deaf',
    `
    if (request.url.endsWith('/go')) { globalThis.go = true; return new Response('') }
    const reader = request.body.getReader()
    await reader.read()
    while (!globalThis.go) await new Promise((resolve) => setTimeout(resolve, 20))
    let size = 0
    for (;;) { const { value, done } = await reader.read(); if (done) break; size += value.length }
    return Response.json(size)`,
  )
  const size = 80 * megabyte
  const before = process.memoryUsage.rss()
  const { socket, text } = await dial(cloud)
  socket.write(
    `POST / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`,
  )
  const block = Buffer.alloc(65_536)
  let sent = 0
  const pump = () => {
    while (sent < size) {
      sent += block.length
      if (!socket.write(block)) return
    }
  }
  socket.on('drain', pump)
  pump()
  const accepted = await settled(async () => sent - socket.writableLength)
  expect(accepted).toBeLessThan(60 * megabyte)
  expect(process.memoryUsage.rss() - before).toBeLessThan(120 * megabyte)
  await cloud.live(`http://${host}/go`)
  await once(socket, 'close')
  expect(statusesIn(text())).toEqual([200])
}, 60_000)

test('a client that leaves ends the stream of the app, and the app hears of it', async () => {
  const host = await deployed(
    cloud,
    'leavers',
    `
    request.signal?.addEventListener('abort', () => console.log('the request was aborted'))
    return new Response(new ReadableStream({
      async pull(c) { await new Promise((r) => setTimeout(r, 10)); c.enqueue(new Uint8Array(1000)) },
      cancel() { console.log('the reader left') },
    }))`,
  )
  const { socket, text } = await dial(cloud)
  socket.write(ask(host, '/'))
  await expect.poll(() => text().length).toBeGreaterThan(3_000)
  socket.destroy()
  await expect.poll(() => openRequests(cloud)).toBe(0)
  await expect.poll(() => logsOf('leavers'), { timeout: 10_000 }).toContain('the reader left')
})

test.each(['end', 'destroy', 'resetAndDestroy'] as const)(
  'an app that never answers keeps nothing once its client is gone by %s',
  async (leave) => {
    const host = await deployed(
      cloud,
      'silent',
      `await new Promise((resolve) => setTimeout(resolve, 120_000)); return new Response('late')`,
    )
    const { socket } = await dial(cloud)
    socket.write(ask(host, '/'))
    await expect.poll(() => openRequests(cloud)).toBe(1)
    socket[leave]()
    await expect.poll(() => openRequests(cloud)).toBe(0)
  },
)

test('a client that leaves while the app still starts keeps nothing either', async () => {
  const napper = await testCloud({ JACK_IDLE_MS: '1000' })
  try {
    const never = `await new Promise((resolve) => setTimeout(resolve, 120_000)); return new Response('late')`
    const host = await deployed(napper, 'sleepy', never)
    for (const request of [
      ask(host, '/'),
      `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100000\r\n\r\nabc`,
      ask(
        host,
        '/',
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      ),
    ]) {
      await expect.poll(() => napper.jack.engine.running().length, { timeout: 20_000 }).toBe(0)
      const { socket } = await dial(napper)
      socket.write(request)
      await new Promise((resolve) => setImmediate(resolve))
      socket.destroy()
      // It is started for nobody, and sleeps again: nothing holds it.
      await expect.poll(() => napper.jack.engine.running().length, { timeout: 20_000 }).toBe(1)
      await expect.poll(() => openRequests(napper), { timeout: 20_000 }).toBe(0)
    }
  } finally {
    await napper.close()
  }
}, 90_000)

test('an upload that breaks off keeps nothing, and the next one is as good as ever', async () => {
  const host = await deployed(
    cloud,
    'uploads',
    `return Response.json((await request.bytes()).length)`,
  )
  for (const framing of ['Content-Length: 1000000', 'Transfer-Encoding: chunked']) {
    const { socket } = await dial(cloud)
    socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\n${framing}\r\n\r\n5\r\nabcde\r\n`)
    await expect.poll(() => openRequests(cloud)).toBe(1)
    socket.destroy()
    await expect.poll(() => openRequests(cloud)).toBe(0)
  }
  const { text } = await cloud.live(`http://${host}/`, {
    method: 'POST',
    body: 'x'.repeat(100_000),
  })
  expect(text).toBe('100000')
})

test('an app that dies in the middle of its answer leaves a broken one, never a whole one', async () => {
  const host = await deployed(
    cloud,
    'half',
    `return new Response(new ReadableStream({ async pull(c) { await new Promise((r) => setTimeout(r, 20)); c.enqueue(new TextEncoder().encode('part')) } }))`,
  )
  const { project_id } = (await cloud.api('GET', '/v1/projects/half')).json
  const { body } = await request(`http://127.0.0.1:${portOf(cloud)}/`, { headers: { host } })
  let text = ''
  await expect(
    (async () => {
      for await (const chunk of body) {
        text += chunk
        const app = cloud.jack.engine.running().find((it) => it.projectId === project_id)
        if (app) process.kill(app.pid, 'SIGKILL')
      }
    })(),
  ).rejects.toThrow()
  expect(text).toContain('part')
  await expect.poll(() => openRequests(cloud)).toBe(0)
  expect((await cloud.live(`http://${host}/.well-known/jack`)).status).toBe(200)
})

test('an app has so many requests at once and no more, its neighbours have theirs, and its own address still says what it is', async () => {
  const host = await deployed(
    cloud,
    'crowded',
    `await new Promise((resolve) => setTimeout(resolve, 120_000)); return new Response('late')`,
  )
  const neighbour = await deployed(cloud, 'roomy', `return new Response('here')`)
  const crowd = await Promise.all(Array.from({ length: 500 }, () => dial(cloud)))
  for (const { socket } of crowd) socket.write(ask(host, '/'))
  await expect.poll(() => openRequests(cloud), { timeout: 20_000 }).toBe(500)
  expect(await cloud.live(`http://${host}/`)).toMatchObject({
    status: 503,
    json: { code: 'unavailable' },
    headers: { 'retry-after': '1' },
  })
  expect((await cloud.live(`http://${neighbour}/`)).text).toBe('here')
  expect(await json(host, '/.well-known/jack')).toMatchObject({
    limits: { requests_at_once_limit: 500, websockets_at_once_limit: 1_000 },
  })
  crowd[0]?.socket.destroy()
  await expect.poll(() => openRequests(cloud)).toBe(499)
  const { socket } = await dial(cloud)
  socket.write(ask(host, '/'))
  await expect.poll(() => openRequests(cloud)).toBe(500)
  for (const it of [...crowd, { socket }]) it.socket.destroy()
  await expect.poll(() => openRequests(cloud)).toBe(0)
}, 60_000)
