import { readFileSync } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createJack, type Jack, localFetch, memoryStore } from '@jackcloud/sdk/node'
import { type Bill, verifyBill } from '@jackcloud/sdk/wire'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../Config.ts'
import { newWallet, testChain } from '../payments/localnet/testing.ts'
import { startCloud } from '../start.ts'
import { balanceOf, refund, withdraw } from '../store/ledger.ts'
import { audit } from '../store/ledgerAudit.ts'
import { chargeDue } from '../store/runtime.ts'
import { testDatabase } from '../store/testing/database.ts'
import { newReceiptKey } from '../store/testing/receiptKey.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

const chain = testChain()
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
  await expect.poll(async () => (await jack.balance()).held_usd).toBe('0.000000')
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
  const runtime = bill.receipts.flatMap((it) =>
    it.detail && 'requests' in it.detail ? [it.detail] : [],
  )
  const sum = (field: 'requests' | 'rows_read' | 'rows_written' | 'included_nano_usd') =>
    runtime.reduce((all, it) => all + Number(it[field]), 0)
  expect(sum('requests')).toBeGreaterThanOrEqual(20)
  expect([sum('rows_read'), sum('rows_written')]).toEqual([12_348, 70_000])
  expect(sum('included_nano_usd')).toBe(10_000_000)
  expect(runtime.some((it) => Number(it.carried_out_nano_usd) > 1_000_000)).toBe(true)
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
  const executed: string[] = []
  const read: Promise<unknown>[] = []
  await Promise.all(
    Array.from({ length: 100 }, async (_, input) => {
      executed.push((await jack.execute({ code, input })).execution_id)
      if (input % 10 === 0) read.push(jack.bill().then(totalsOf))
    }),
  )
  await Promise.all(read)
  const latest = async () => {
    const { receipts } = await jack.bill()
    const refs = receipts.filter((it) => it.reason === 'execution').map((it) => it.ref)
    return refs.slice(-100).toSorted()
  }
  await expect.poll(latest, { timeout: 10_000 }).toEqual(executed.toSorted())
})

test('the bill of a wallet adds up with what the chain captured and gave back', async () => {
  const { rpcUrl } = await chain()
  const paid = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: rpcUrl })
  try {
    const account = await newWallet(await chain())
    const wallet = createJack({
      url: paid.url,
      account,
      rpcUrl,
      store: memoryStore(),
      fetch: localFetch,
    })
    await Promise.all(Array.from({ length: 8 }, (_, input) => wallet.execute({ code, input })))
    const { project_id } = await wallet.deploy({ name: 'paid', files })
    await wallet.addBalance({ amount_usd: '1.5' })
    // Into somebody else's balance, too.
    const other = createJack({ url: paid.url, token: paid.token, fetch: localFetch })
    const { project_id: theirs } = await other.deploy({ name: 'theirs', files })
    await wallet.addBalance({ amount_usd: '0.75', project: theirs })
    paid.jack.recorder.rows(project_id, { read: 1, written: 70_003 })
    await paid.jack.recorder.flush()

    const isHeld = async () =>
      (await wallet.sessions.list()).sessions.some((it) => it.held_usd !== '0.000000')
    await expect.poll(isHeld).toBe(false)
    const open = await wallet.bill()
    expect(await totalsOf(open)).toMatchObject({ sessions: 1, taken_usd: '2.380000' })
    expect(open.statement.sessions).toMatchObject([{ status: 'open', close: null }])

    await wallet.sessions.close(open.statement.sessions[0]?.session_id as string)
    const closed = await wallet.bill()
    const captured_usd = closed.statement.sessions[0]?.taken_usd
    expect(await totalsOf(closed)).toMatchObject({
      by_reason: {
        execution: '-0.080000',
        deploy: '-0.050000',
        runtime: expect.stringMatching(/^-0\.060/),
      },
      balance_usd: '0.000000',
      taken_usd: captured_usd,
    })
    expect(closed.statement.sessions).toMatchObject([
      { status: 'closed', close: { captured_usd, tx_hash: expect.stringMatching(/^0x/) } },
    ])
    // What was added to the other's balance was not used: it went back, too.
    expect(captured_usd).toMatch(/^0\.190/)
    expect(await totalsOf(await other.bill())).toMatchObject({ sessions: 0 })
  } finally {
    await paid.close()
  }
}, 60_000)

test('a cloud goes on with its chain and its key; with a new key, old receipts stay true', async () => {
  const database = await testDatabase()
  const dataDir = await mkdtemp(join(tmpdir(), 'jack-receipts-'))
  const run = async (work: (jack: Jack) => Promise<unknown>, env: Record<string, string> = {}) => {
    const given = {
      JACK_MODE: 'local',
      JACK_PORT: '0',
      JACK_DATA: dataDir,
      JACK_POOL_SIZE: '1',
      ...env,
    }
    const config = readConfig(given, (path) => readFileSync(path, 'utf8'))
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
