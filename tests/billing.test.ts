import { setTimeout as sleep } from 'node:timers/promises'
import { createJack, type Jack, localFetch } from '@jackcloud/sdk/node'
import { prices, verifyBill } from '@jackcloud/sdk/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  behindTheBack,
  eventually,
  live,
  postmasterFile,
  temporaryHome,
  type Up,
  up,
} from './harness.ts'
import { processesOf } from './processes.ts'

// One cloud and what its apps cost, through kill -9 of its server. The order of the tests matters.
const home = temporaryHome('billing')
const data = `${home.path}/cloud`
let cloud: Up
let jack: Jack

async function start(): Promise<void> {
  cloud = await up(home, data)
  const { url, token } = cloud.ready
  jack = createJack({ url, token, retries: 0, fetch: localFetch })
}

const names = ['one', 'two', 'three']
const urlOf = (name: string) => `http://local-${name}.${cloud.ready.domain}`
const sql = (query: string) => behindTheBack(data, query)

beforeAll(async () => {
  await start()
  for (const name of names) {
    const files = { 'index.js': 'export default { fetch: () => new Response("fine") }' }
    await jack.deploy({ name, files })
  }
  // So that every request is charged.
  await sql('update project set included_micro_usd = 0')
}, 120_000)

afterAll(async () => {
  if (cloud) await cloud.stop()
  for (const { pid } of processesOf(home.path)) process.kill(pid, 'SIGKILL')
  await home.remove()
}, 60_000)

/** Requests that were sent, and when each answer was here. */
let sent = 0
const answeredAt: number[] = []
/** Answered, and not stored before a kill. */
let lost = 0

/** Asks as fast as it goes, until the cloud is gone or it is told to stop. */
function load() {
  let stopped = false
  const loops = names.flatMap((name) =>
    Array.from({ length: 3 }, async () => {
      while (!stopped) {
        sent++
        try {
          const response = await live(urlOf(name))
          expect(await response.text()).toBe('fine')
          answeredAt.push(Date.now())
        } catch (error) {
          if (!stopped) throw error
        }
      }
    }),
  )
  return async () => {
    stopped = true
    await Promise.all(loops)
  }
}

interface Bill {
  requests: number
  /** What the stored usage costs, and where it went: all in nano-USD. */
  cost: bigint
  charged: bigint
  pending: bigint
  included: bigint
}

async function bill(): Promise<Bill> {
  const [used] = await sql(
    'select sum(requests)::int as requests, sum(cpu_us) as us from usage_minute',
  )
  const [charged] = await sql(
    "select coalesce(sum(amount_micro_usd), 0)::text as sum from ledger_transfer where kind = 'runtime'",
  )
  const [runtime] = await sql(
    'select sum(pending_nano_usd)::text as pending, sum(included_used_nano_usd)::text as included from runtime',
  )
  return {
    requests: used?.requests,
    cost:
      BigInt(used?.requests) * prices.runtimeNanoUsd.request +
      (BigInt(used?.us) * prices.runtimeNanoUsd.cpuMs) / 1_000n,
    charged: BigInt(charged?.sum) * 1_000n,
    pending: BigInt(runtime?.pending),
    included: BigInt(runtime?.included),
  }
}

async function expectLedgerAddsUp(): Promise<void> {
  expect(await verifyBill(await jack.bill())).toMatchObject({ ok: true })
  const micro = (usd: string) => BigInt(usd.replace('.', ''))
  // What is charged in between shows in the one and not in the other.
  await eventually(async () => {
    const receipts = await Array.fromAsync(jack.allReceipts({ limit: 200 }))
    const { balance_usd, held_usd } = await jack.balance()
    expect(receipts.reduce((sum, it) => sum + micro(it.amount_usd), 0n)).toBe(
      micro(balance_usd) + micro(held_usd),
    )
  })
}

/** An interval, and what a busy machine adds to it. */
const intervalMs = 500 + 1_000

test.each([1, 2, 3])(
  'kill -9 under load loses at most what was answered in the last interval, and charges nothing twice (round %i)',
  async () => {
    const before = sent
    const stop = load()
    await eventually(() => expect(sent - before).toBeGreaterThan(200))
    await sleep(2_000 + Math.random() * 1_000)
    const stopping = stop()
    const killedAt = Date.now()
    process.kill(cloud.ready.pid, 'SIGKILL')
    await stopping
    await cloud.ended

    const stored = await bill()
    expect(stored.charged + stored.pending + stored.included).toBe(stored.cost)
    expect(stored.requests).toBeLessThanOrEqual(sent)
    // What earlier rounds lost is lost.
    const sure = answeredAt.filter((at) => at < killedAt - intervalMs).length - lost
    expect(stored.requests).toBeGreaterThanOrEqual(sure)
    lost = answeredAt.length - stored.requests

    await start()
    await expectLedgerAddsUp()
    const again = await bill()
    expect([again.requests, again.charged + again.pending]).toEqual([
      stored.requests,
      stored.charged + stored.pending,
    ])
  },
  90_000,
)

test('kill -9 of the database under load loses no request and counts none twice', async () => {
  const before = await bill()
  const sentBefore = sent
  const killed = Number(postmasterFile(data)[0])
  expect(killed).toBeGreaterThan(1)
  const stop = load()
  await eventually(() => expect(sent - sentBefore).toBeGreaterThan(200))
  process.kill(killed, 'SIGKILL')
  await eventually(() => expect(Number(postmasterFile(data)[0])).not.toBe(killed))
  await sleep(1_000)
  await stop()
  // Each was answered, and the server lives: what could not be stored was stored later.
  await eventually(async () => {
    const after = await bill()
    expect(after.requests - before.requests).toBe(sent - sentBefore)
    expect(after.charged + after.pending + after.included).toBe(after.cost)
  })
  await expectLedgerAddsUp()
}, 90_000)

test('an end in order stores everything and charges all but the last millionth', async () => {
  const before = await bill()
  const [sentBefore, answeredBefore] = [sent, answeredAt.length]
  const stop = load()
  await eventually(() => expect(sent - sentBefore).toBeGreaterThan(200))
  await stop()
  await cloud.stop()
  // The database goes on after its server only when that was killed.
  await start()
  const after = await bill()
  expect(after.requests - before.requests).toBe(answeredAt.length - answeredBefore)
  expect(after.charged + after.pending + after.included).toBe(after.cost)
  expect(after.pending).toBeLessThan(1_000n * BigInt(names.length))
  await expectLedgerAddsUp()
}, 90_000)

test('few entries stand in the ledger for many requests', async () => {
  const receipts = await Array.fromAsync(jack.allReceipts({ limit: 200 }))
  const runtime = receipts.filter((it) => it.reason === 'runtime')
  expect(runtime.length).toBeGreaterThan(0)
  expect(runtime.length).toBeLessThan(sent / 20)
  expect(runtime.every((it) => it.project && it.period)).toBe(true)
})
