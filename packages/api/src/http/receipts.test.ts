import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJack, type Jack, localFetch } from '@jackcloud/sdk/node'
import { type Bill, verifyBill } from '@jackcloud/sdk/wire'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../Config.ts'
import { startCloud } from '../start.ts'
import { balanceOf, refund, withdraw } from '../store/ledger.ts'
import { audit } from '../store/ledgerAudit.ts'
import { chargeDue } from '../store/runtime.ts'
import { testDatabase } from '../store/testing/database.ts'
import { newReceiptKey } from '../store/testing/receiptKey.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
let jack: Jack
beforeAll(async () => {
  cloud = await testCloud()
  jack = createJack({ url: cloud.url, token: cloud.token, fetch: localFetch })
})
afterAll(async () => {
  expect(await audit(cloud.jack.db)).toEqual([])
  await cloud.close()
})

const totalsOf = async (bill: Bill) => {
  const verdict = await verifyBill(JSON.parse(JSON.stringify(bill)))
  if (!verdict.ok) throw new Error(JSON.stringify(verdict.finding))
  return verdict.totals
}
const files = { 'index.js': 'export default { fetch: () => new Response("fine") }' }
const code = 'export const run = (n) => n * 2'

const chargeRuntime = () => chargeDue(cloud.jack.db, cloud.jack.newId('run'), { now: new Date() })

/** Leaves the account so much. */
async function leave(microUsd: bigint): Promise<void> {
  const { account_id: accountId } = await jack.me()
  const { availableMicroUsd } = await balanceOf(cloud.jack.db, accountId)
  await withdraw(cloud.jack.db, {
    id: crypto.randomUUID(),
    accountId,
    amountMicroUsd: availableMicroUsd - microUsd,
  })
}

test('the bill of a real life adds up: executions, deploys, traffic to the last cent and beyond, refunds', async () => {
  const executed = await Promise.all(
    Array.from({ length: 5 }, (_, input) => jack.execute({ code, input })),
  )
  const { url, project_id, deployment_id } = await jack.deploy({ name: 'billed', files })
  await Promise.all(Array.from({ length: 20 }, () => cloud.live(url)))
  cloud.jack.recorder.rows(project_id, { read: 12_345, written: 20_000 })
  await cloud.jack.recorder.flush()
  await chargeRuntime()
  await expect.poll(async () => (await jack.receipts()).receipts.length).toBe(8)
  await refund(cloud.jack.db, {
    id: crypto.randomUUID(),
    chargeId: executed[0]?.execution_id as string,
    amountMicroUsd: 3_333n,
  })

  // The last of the balance pays a part of what was used; what comes in pays the rest.
  await leave(1_000n)
  cloud.jack.recorder.rows(project_id, { read: 3, written: 50_000 })
  await cloud.jack.recorder.flush()
  await expect.poll(async () => (await cloud.live(url)).status).toBe(402)
  expect((await jack.balance()).balance_usd).toBe('0.000000')
  await jack.addBalance({ amount_usd: '1' })
  await chargeRuntime()
  await expect.poll(async () => (await cloud.live(url)).status).toBe(200)

  const bill = await jack.bill()
  const { balance_usd, held_usd } = await jack.balance()
  const totals = await totalsOf(bill)
  expect(totals).toMatchObject({
    by_reason: { execution: '-0.050000', deploy: '-0.050000', refund: '0.003333' },
    balance_usd,
    without_detail: 0,
  })
  expect(held_usd).toBe('0.000000')
  const runtime = bill.receipts.filter((it) => it.reason === 'runtime')
  expect(runtime.length).toBeGreaterThanOrEqual(3)
  const [first, part] = runtime.map((it) => it.detail)
  expect(first).toMatchObject({ requests: 20, rows_read: 12_345, included_nano_usd: '10000000' })
  expect(Number((part as { carried_out_nano_usd: string }).carried_out_nano_usd)).toBeGreaterThan(
    1e6,
  )
  expect(bill.receipts.find((it) => it.reason === 'deploy')).toMatchObject({
    receipt_id: deployment_id,
    project: 'billed',
    detail: { included_usd: '0.010000' },
  })
  expect(bill.statement).toMatchObject({ cloud: cloud.url, position: bill.receipts.length })
})

test('receipts come newest first, or in the order of their chain, page by page', async () => {
  const all = (await jack.bill()).receipts
  const down = await Array.fromAsync(jack.allReceipts({ limit: 3 }))
  const up = await Array.fromAsync(jack.allReceipts({ limit: 4, order: 'asc' }))
  expect(up).toEqual(all)
  expect(down).toEqual(all.toReversed())
  const page = await cloud.api('GET', '/v1/receipts?order=sideways')
  expect([page.status, page.json.code]).toEqual([400, 'invalid_request'])
  expect((await cloud.api('GET', '/v1/receipts?cursor=x')).json.code).toBe('invalid_request')
})

test('keys are told to everybody, and receipts to nobody but their account', async () => {
  const open = (path: string) => fetch(cloud.url + path)
  const keys = await open('/.well-known/jack-receipts')
  expect(keys.status).toBe(200)
  expect((await keys.json()).keys).toEqual([
    { kty: 'OKP', crv: 'Ed25519', x: expect.any(String), kid: expect.any(String) },
  ])
  expect((await open('/v1/receipts')).status).toBe(401)
  expect((await open('/v1/receipts/statement')).status).toBe(401)
})

test('a token of one project sees what that project paid, and nothing of the account', async () => {
  await jack.deploy({ name: 'mine', files })
  const { token } = await jack.tokens.create({ name: 'ci', project: 'mine', scopes: ['read'] })
  const confined = createJack({ url: cloud.url, token, fetch: localFetch })
  const { receipts } = await confined.receipts()
  expect(receipts.map((it) => [it.project, it.reason])).toEqual([['mine', 'deploy']])
  await expect(confined.statement()).rejects.toMatchObject({ code: 'forbidden' })
})

test('a hundred executions while everybody reads bills: each bill adds up, and the last has all of them', async () => {
  await jack.addBalance({ amount_usd: '2' })
  const before = (await jack.bill()).receipts.length
  const executed: string[] = []
  const read: Promise<unknown>[] = []
  await Promise.all(
    Array.from({ length: 100 }, async (_, input) => {
      executed.push((await jack.execute({ code, input })).execution_id)
      if (input % 10 === 0) read.push(jack.bill().then(totalsOf))
    }),
  )
  await Promise.all(read)
  await expect
    .poll(async () => (await jack.bill()).receipts.length, { timeout: 10_000 })
    .toBe(before + 100)
  const { receipts } = await jack.bill()
  expect(
    receipts
      .slice(before)
      .map((it) => it.ref)
      .toSorted(),
  ).toEqual(executed.toSorted())
})

test('a cloud goes on with its chain and its key; with a new key, old receipts stay true', async () => {
  const database = await testDatabase()
  const dataDir = await mkdtemp(join(tmpdir(), 'jack-receipts-'))
  const run = async (work: (jack: Jack) => Promise<unknown>, env: Record<string, string> = {}) => {
    const config = readConfig({
      JACK_MODE: 'local',
      JACK_PORT: '0',
      JACK_DATA: dataDir,
      JACK_POOL_SIZE: '1',
      ...env,
    })
    const it = await startCloud(config, pino({ level: 'silent' }), database.connection)
    try {
      const { url, token } = it
      await work(createJack({ url, token: token as string, fetch: localFetch }))
    } finally {
      await it.close()
    }
  }
  try {
    let first: Bill | undefined
    await run(async (jack) => {
      await jack.execute({ code, input: 1 })
      await expect.poll(async () => (await jack.receipts()).receipts.length).toBe(2)
      first = await jack.bill()
    })
    const file = join(dataDir, 'receipt.key')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    await run(async (jack) => {
      await jack.addBalance({ amount_usd: '1' })
      const bill = await jack.bill()
      expect(bill.keys).toEqual(first?.keys)
      expect(bill.receipts.slice(0, 2)).toEqual(first?.receipts)
      expect((await totalsOf(bill)).receipts).toBe(3)
    })
    const next = join(dataDir, 'next.pem')
    await writeFile(next, newReceiptKey())
    await run(
      async (jack) => {
        await jack.addBalance({ amount_usd: '1' })
        const bill = await jack.bill()
        expect(bill.keys).toHaveLength(2)
        expect(bill.keys[1]).toEqual(first?.keys[0])
        expect(await totalsOf(bill)).toMatchObject({
          receipts: 4,
          key_ids: [bill.keys[0]?.kid, bill.keys[1]?.kid],
        })
      },
      { JACK_RECEIPT_KEY_FILE: next },
    )
    await expect(run(async () => {}, { JACK_RECEIPT_KEY: 'secret' })).rejects.toThrow(
      'must be an Ed25519 private key in PEM',
    )
  } finally {
    await database.drop()
    await rm(dataDir, { recursive: true, force: true })
  }
}, 60_000)
