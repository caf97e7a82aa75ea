import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createJack, type Jack } from '@jackcloud/sdk/node'
import { Agent, request, WebSocket } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryHome, type Up, up } from '../harness.ts'
import { holdings } from './holdings.ts'

// Thousands of apps that sleep, and hundreds that are awake. JACK_SOAK_APPS, JACK_SOAK_LIVE and JACK_SOAK_MINUTES say
// how many of each, and how long those are asked.
const sleeping = Number(process.env.JACK_SOAK_APPS ?? 5_000)
const awake = Number(process.env.JACK_SOAK_LIVE ?? 300)
const minutes = Number(process.env.JACK_SOAK_MINUTES ?? 10)

const home = temporaryHome('many')
const data = join(home.path, 'cloud')
let cloud: Up

const start = (idleMs: number) =>
  up(home, data, {
    env: {
      JACK_IDLE_MS: String(idleMs),
      JACK_LOCAL_CREDIT_USD: '1000000',
      JACK_REQUESTS_PER_MINUTE: '10000000',
    },
  })

beforeAll(async () => {
  cloud = await start(2_000)
})
afterAll(async () => {
  await cloud.stop()
  await home.remove()
})

const plain = (n: number) =>
  `export default { fetch: (request) => new Response(request.body ?? 'app ${n}') }`

const keeping = (n: number) => `export default {
  async fetch(request, { DB }) {
    if (request.headers.get('upgrade') === 'websocket') {
      const [client, server] = Object.values(new WebSocketPair())
      server.accept()
      server.addEventListener('message', ({ data }) => server.send(data))
      return new Response(null, { status: 101, webSocket: client })
    }
    await DB.exec('create table if not exists seen (id integer primary key)')
    await DB.prepare('insert into seen default values').run()
    return new Response('app ${n}')
  },
}`

/** Every tenth keeps data. */
const keeps = (n: number) => n % 10 === 0
const filesOf = (n: number): Record<string, string> =>
  keeps(n)
    ? { 'index.js': keeping(n), 'jack.json': '{ "d1_databases": [{ "binding": "DB" }] }' }
    : { 'index.js': plain(n) }

const urls: string[] = []

async function deployUpTo(jack: Jack, count: number): Promise<void> {
  let next = urls.length
  const deployer = async () => {
    while (next < count) {
      const n = next++
      urls[n] = (await jack.deploy({ name: `app-${n}`, files: filesOf(n) })).url
    }
  }
  await Promise.all(Array.from({ length: 4 }, deployer))
}

/** Not every resolver knows `*.localhost`. */
const loopback = new Agent({
  connections: 16,
  connect: {
    lookup: (_host, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
  },
})

/** The cloud has another port after it was started again. */
const urlOf = (n: number): string => {
  const url = new URL(urls[n] as string)
  url.port = new URL(cloud.ready.url).port
  return url.href
}

async function visit(n: number, body?: string): Promise<string> {
  const answer = await request(urlOf(n), {
    dispatcher: loopback,
    method: body === undefined ? 'GET' : 'POST',
    ...(body !== undefined && { body }),
  })
  const text = await answer.body.text()
  expect(answer.statusCode, text).toBe(200)
  return text
}

const p50 = (times: number[]) => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]

/** Milliseconds of first requests to apps that sleep, spread over all of them. */
async function coldHits(): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 40; i++) {
    const n = Math.floor((i * urls.length) / 40)
    const began = performance.now()
    expect(await visit(n)).toBe(`app ${n}`)
    times.push(performance.now() - began)
  }
  return Math.round((p50(times) as number) * 10) / 10
}

/** How long cold hits take, and what is held when all sleep again. */
async function measured() {
  const coldMs = await coldHits()
  await asleep()
  return { coldMs, ...holdings(cloud.ready.pid) }
}

const asleep = async () => {
  await sleep(6_000)
}

test(`${sleeping} apps that sleep cost nothing but disk`, async () => {
  const { url, token } = cloud.ready
  const jack = createJack({ url, token })
  await deployUpTo(jack, 50)
  await asleep()
  const few = await measured()
  await deployUpTo(jack, sleeping)
  await asleep()
  const many = await measured()
  await cloud.stop()
  const began = performance.now()
  cloud = await start(2_000)
  const startMs = Math.round(performance.now() - began)
  const started = { startMs, ...(await measured()) }
  console.log({ sleeping, few, many, started })
  expect(many.files).toBeLessThan(few.files + 50)
  expect(many.processes).toBeLessThan(few.processes + 5)
})

test(`${awake} apps that are awake answer for ${minutes} minutes, and none is lost`, async () => {
  await cloud.stop()
  cloud = await start(3_600_000)
  const { url, token, pid } = cloud.ready
  await deployUpTo(createJack({ url, token }), awake)
  const counts = { gets: 0, posts: 0, messages: 0 }
  const body = 'x'.repeat(50_000)
  let until = 0
  const visiting = async (offset: number) => {
    for (let i = offset; Date.now() < until; i += 7) {
      const n = i % awake
      if (i % 3 === 0 && !keeps(n)) {
        counts.posts++
        expect(await visit(n, body)).toBe(body)
      } else {
        counts.gets++
        expect(await visit(n)).toBe(`app ${n}`)
      }
      await sleep(10)
    }
  }
  const talking = async (n: number) => {
    const socket = new WebSocket(urlOf(n).replace(/^http/, 'ws'), { dispatcher: loopback })
    const closed = new Promise<never>((_, reject) => {
      socket.addEventListener('close', () => reject(new Error('It was closed')), { once: true })
    })
    closed.catch(() => {})
    const next = (event: string) =>
      Promise.race([
        closed,
        new Promise<unknown>((resolve) => socket.addEventListener(event, resolve, { once: true })),
      ])
    await next('open')
    while (Date.now() < until) {
      const echoed = next('message')
      const message = `message ${++counts.messages}`
      socket.send(message)
      expect(await echoed).toMatchObject({ data: message })
      await sleep(200)
    }
    socket.close()
  }
  const round = async (ms: number) => {
    until = Date.now() + ms
    const visitors = Array.from({ length: 6 }, (_, i) => visiting(i * 50))
    await Promise.all([...visitors, ...[0, 10, 20, 30, 40].map(talking)])
    await sleep(2_000)
    return holdings(pid)
  }
  for (let n = 0; n < awake; n++) expect(await visit(n)).toBe(`app ${n}`)
  // After a while of everything, nothing may grow.
  const before = await round(Math.min(60_000, minutes * 30_000))
  const after = await round(minutes * 60_000)
  console.log({ awake, minutes, counts, before, after })
  // Each has its wall around it.
  expect(before.processes).toBeGreaterThanOrEqual(2 * awake)
  expect(after.processes).toBeLessThanOrEqual(before.processes + 5)
  expect(after.files).toBeLessThanOrEqual(before.files + 50)
  expect(after.memoryMb).toBeLessThan(before.memoryMb + 150)
})
