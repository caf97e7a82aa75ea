import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore } from '@jackcloud/sdk'
import {
  createJack,
  deployFolder,
  type Fetch,
  JackError,
  type PaymentReceipt,
} from '@jackcloud/sdk/node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { audit } from '../../store/ledgerAudit.ts'
import { type TestCloud, testCloud } from '../../testing/cloud.ts'
import { balanceOf, newWallet, testChain } from '../localnet/testing.ts'

const chain = testChain()
let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: (await chain()).rpcUrl })
})
afterAll(async () => {
  expect(await audit(cloud.jack.db)).toEqual([])
  await cloud.close()
})

async function wallet(options: Partial<Parameters<typeof createJack>[0]> = {}) {
  const { rpcUrl } = await chain()
  const account = await newWallet(await chain())
  const receipts: PaymentReceipt[] = []
  const jack = createJack({
    url: cloud.url,
    account,
    rpcUrl,
    store: memoryStore(),
    onReceipt: (it) => receipts.push(it),
    ...options,
  })
  return { jack, account, receipts, spent: async () => (await jack.wallet?.spent())?.totalUsd }
}

const code = 'export const run = (n) => { if (n < 0) throw new Error("no"); return n * 2 }'

test('a wallet and nothing else runs code, deploys, funds, looks at what it owns, and closes its session', async () => {
  const { jack, account, receipts, spent } = await wallet()
  expect((await jack.execute({ code, input: 21 })).result).toBe(42)
  const { url, project_id } = await jack.deploy({
    name: 'mine',
    files: { 'index.js': 'export default { fetch: () => new Response("hi") }' },
  })
  expect((await cloud.live(url)).text).toBe('hi')
  await jack.addBalance({ amount_usd: '6' })
  expect((await jack.projects.list()).projects).toMatchObject([{ project_id }])
  expect(receipts.map((it) => it.chargedUsd)).toEqual(['0.010000', '0.050000', '6.000000'])
  expect(await spent()).toBe('6.060000')
  const { sessions } = await jack.sessions.list()
  expect(sessions).toMatchObject([{ deposit_usd: '10.060000', authorized_usd: '6.060000' }])

  const before = await balanceOf(await chain(), account.address)
  await jack.sessions.close(sessions[0]?.session_id as string)
  expect((await balanceOf(await chain(), account.address)) - before).toBeGreaterThan(9_900_000n)
  // The session that the wallet still remembers is gone: it opens another one.
  expect((await jack.execute({ code, input: 1 })).result).toBe(2)
  expect((await jack.sessions.list()).sessions).toHaveLength(2)
})

test('what fails is charged when it ran, and not when it did not', async () => {
  const { jack, spent } = await wallet()
  await expect(jack.execute({ code, input: -1 })).rejects.toMatchObject({
    code: 'execution_failed',
  })
  expect(await spent()).toBe('0.010000')
  await expect(jack.deploy({ files: { 'index.js': 'syntax error' } })).rejects.toBeInstanceOf(
    JackError,
  )
  expect(await spent()).toBe('0.010000')
  const app = {
    name: 'twice',
    files: { 'index.js': 'export default { fetch: () => new Response("1") }' },
  }
  await jack.deploy(app)
  expect(await jack.deploy(app)).toMatchObject({ deduplicated: true, charged_usd: '0.000000' })
  expect(await spent()).toBe('0.060000')
})

test('an answer that was paid for before is not counted again, by whatever program it is asked for', async () => {
  const { jack, account } = await wallet()
  const again = await wallet({ account })
  const idempotencyKey = crypto.randomUUID()
  const first = await jack.execute({ code, input: 4 }, { idempotencyKey })
  const second = await again.jack.execute({ code, input: 4 }, { idempotencyKey })
  expect(second).toEqual(first)
  expect(again.receipts.map((it) => it.chargedUsd)).toEqual(['0.000000'])
  expect(await again.spent()).toBe('0.000000')
  expect((await jack.sessions.list()).sessions).toMatchObject([{ spent_usd: '0.010000' }])
  // What was signed for it pays for the next.
  await again.jack.execute({ code, input: 5 })
  expect((await jack.sessions.list()).sessions).toMatchObject([{ authorized_usd: '0.020001' }])
})

test('an upload is paid for, and its files are sent once', async () => {
  const { jack, spent } = await wallet()
  const deployed = await deployFolder(jack, 'examples/hello', { name: 'hello' })
  expect((await cloud.live(deployed.url)).status).toBe(200)
  expect(await spent()).toBe('0.050000')
})

test('an upload waits for its price before it sends its files', async () => {
  const bodies: number[] = []
  const counting: Fetch = (input, { body, ...init }) => {
    if (!(body instanceof ReadableStream)) return fetch(input, { ...init, body: body ?? null })
    const attempt = bodies.push(0) - 1
    const counted = body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          bodies[attempt] = (bodies[attempt] ?? 0) + chunk.byteLength
          controller.enqueue(chunk)
        },
      }),
    )
    return fetch(input, { ...init, body: counted })
  }
  const { jack } = await wallet({ fetch: counting })
  const folder = await mkdtemp(join(tmpdir(), 'jack-upload-'))
  try {
    await writeFile(join(folder, 'index.html'), 'hi')
    await writeFile(join(folder, 'big.bin'), randomBytes(3_000_000))
    const { url } = await deployFolder(jack, folder, { name: 'big' })
    expect((await cloud.live(url)).text).toBe('hi')
  } finally {
    await rm(folder, { recursive: true })
  }
  expect(bodies).toHaveLength(2)
  expect(bodies[0]).toBeLessThan(10_000)
  expect(bodies[1]).toBeGreaterThan(3_000_000)
})

test('thirty calls at once go through one session', async () => {
  const { jack, spent } = await wallet()
  const inputs = Array.from({ length: 30 }, (_, n) => n)
  const answers = await Promise.all(inputs.map((input) => jack.execute({ code, input })))
  expect(answers.map((it) => it.result)).toEqual(inputs.map((n) => n * 2))
  expect(await spent()).toBe('0.300000')
  // What was delivered is taken a moment later.
  await expect
    .poll(async () => (await jack.sessions.list()).sessions)
    .toMatchObject([{ spent_usd: '0.300000', authorized_usd: '0.300000' }])
})

test('a charge pays for one program, and one that is not delivered is not sent', async () => {
  const { jack, account, receipts } = await wallet({ pay: 'charge' })
  const before = await balanceOf(await chain(), account.address)
  await jack.execute({ code, input: 1 })
  expect(receipts).toMatchObject([{ how: 'charge', chargedUsd: '0.010000' }])
  const after = await balanceOf(await chain(), account.address)
  expect(before - after).toBeGreaterThanOrEqual(10_000n)
  await expect(jack.execute({ code: 'nonsense(' })).rejects.toMatchObject({ code: 'bundle_failed' })
  expect(await balanceOf(await chain(), account.address)).toBe(after)
})
