import { setTimeout as sleep } from 'node:timers/promises'
import { fromUsd, prices, verifyBill } from '@jackcloud/sdk/wire'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, expect, test } from 'vitest'
import type { Hex } from '../Session.ts'
import { noUsage, type Usage } from '../Usage.ts'
import * as accounts from './accounts.ts'
import * as ledger from './ledger.ts'
import { audit } from './ledgerAudit.ts'
import * as projects from './projects.ts'
import { list, sealDue, standing } from './receipts.ts'
import * as runtime from './runtime.ts'
import * as sessions from './sessions.ts'
import { billOf } from './testing/bill.ts'
import { runChild } from './testing/child.ts'
import { testDatabase } from './testing/database.ts'
import { newReceiptKey, testReceiptKey } from './testing/receiptKey.ts'
import * as usage from './usage.ts'

const database = await testDatabase()
const { db } = database
const key = await testReceiptKey()
afterAll(() => database.drop())

let count = 0
const newId = (prefix = 'id') => `${prefix}_${++count}`

async function accountWith(microUsd: bigint): Promise<string> {
  const { accountId } = await accounts.ensure(db, {
    accountId: newId('acc'),
    slug: newId('slug'),
    kind: 'local',
  })
  await ledger.createLedgerAccount(db, accountId)
  if (microUsd > 0n)
    await ledger.grant(db, { id: newId('grant'), accountId, amountMicroUsd: microUsd })
  return accountId
}

const execute = (accountId: string, id = newId('exe')) =>
  ledger.charge(db, {
    id,
    accountId,
    amountMicroUsd: prices.execution,
    kind: 'execution',
    ref: id,
  })

async function deployed(accountId: string): Promise<string> {
  const projectId = newId('prj')
  await projects.add(db, {
    projectId,
    accountId,
    name: `app-${count}`,
    label: newId('label'),
    budgetMicroUsd: null,
    ttlHours: null,
    expiresAt: null,
  })
  await redeployed(accountId, projectId)
  return projectId
}

const redeployed = (accountId: string, projectId: string) =>
  db.transaction().execute(async (tx) => {
    const id = newId('dep')
    await runtime.include(tx, projectId, prices.deployIncludedRuntime, id)
    const price = { amountMicroUsd: prices.deploy, kind: 'deploy', ref: id, projectId } as const
    await ledger.charge(tx, { id, accountId, ...price })
  })

let number = 0
const use = (projectId: string, it: Partial<Usage>, at = new Date()) =>
  usage.store(db, {
    server: 'test',
    number: ++number,
    at,
    counted: new Map([[projectId, { ...noUsage, ...it }]]),
  })

const chargeRuntime = () => runtime.chargeDue(db, newId('run'), { now: new Date() })

/** A session whose vouchers authorize everything that was deposited. */
async function openSession(accountId: string, depositMicroUsd: bigint) {
  const channelId: Hex = `0x${newId('channel')}`
  const zero: Hex = '0x00'
  const { sessionId } = await sessions.begin(
    db,
    {
      sessionId: newId('ses'),
      channelId,
      accountId,
      chainId: 1337,
      escrow: zero,
      payer: zero,
      signer: zero,
      descriptor: {
        payer: zero,
        payee: zero,
        operator: zero,
        token: zero,
        salt: zero,
        authorizedSigner: zero,
        expiringNonceHash: zero,
      },
      depositMicroUsd,
      authorizedMicroUsd: 0n,
      signature: zero,
    },
    new Date(),
  )
  await sessions.opened(db, channelId, { depositMicroUsd, openTx: null })
  // The first is for everything; a voucher pays once.
  let signedMicroUsd = depositMicroUsd
  const voucher = () => ({
    channelId,
    challengeId: newId('challenge'),
    cumulativeMicroUsd: signedMicroUsd--,
    signature: zero,
  })
  return {
    sessionId,
    pay: (id: string, amountMicroUsd: bigint = prices.execution) =>
      sessions.pay(db, voucher(), { id, amountMicroUsd, kind: 'execution', ref: id }),
    fund: (to: string, amountMicroUsd: bigint) =>
      sessions.fund(db, voucher(), {
        id: newId('fund'),
        amountMicroUsd,
        accountId: to,
        projectId: null,
      }),
  }
}

const totalsOf = async (accountId: string) => {
  const verdict = await verifyBill(await billOf(db, key, accountId))
  if (!verdict.ok) throw new Error(JSON.stringify(verdict.finding))
  return verdict.totals
}

test('a bill with work of every kind, runtime in part, and refunds adds up', async () => {
  const accountId = await accountWith(200_000n)
  const id = newId('exe')
  await execute(accountId, id)
  await ledger.refund(db, { id: newId('refund'), chargeId: id, amountMicroUsd: 4_000n })
  const projectId = await deployed(accountId)
  // 125 nano-USD of it are carried on from one charge to the next.
  await use(projectId, { requests: 30_000, cpuUs: 10, rowsRead: 7, rowsWritten: 3 })
  await chargeRuntime()
  // More than there is: the rest is carried until there is balance again.
  await use(projectId, { requests: 1_000_000 })
  expect((await ledger.balanceOf(db, accountId)).availableMicroUsd).toBe(0n)
  await ledger.grant(db, { id: newId('grant'), accountId, amountMicroUsd: 600_000n })
  await chargeRuntime()
  await use(projectId, { requests: 3 })
  await chargeRuntime()
  expect(await totalsOf(accountId)).toMatchObject({
    receipts: 9,
    spent_usd: '0.561006',
    by_reason: {
      grant: '0.800000',
      execution: '-0.010000',
      refund: '0.004000',
      deploy: '-0.050000',
      runtime: '-0.505006',
    },
    balance_usd: '0.238994',
    without_detail: 0,
  })
  const { receipts } = await list(db, key, { accountId, order: 'asc', limit: 100 })
  const carried = receipts.flatMap((it) =>
    it.detail && 'requests' in it.detail
      ? [[it.detail.carried_in_nano_usd, it.detail.carried_out_nano_usd]]
      : [],
  )
  expect(carried.map(([from]) => from).slice(1)).toEqual(carried.map(([, to]) => to).slice(0, -1))
  expect(Number(carried[1]?.[1])).toBeGreaterThan(1_000_000)
  expect(receipts[2]).toMatchObject({ reason: 'refund', refund_of: id, ref: id })
  expect(receipts[3]).toMatchObject({ detail: { included_usd: '0.010000' }, project_id: projectId })
  expect(receipts[3]?.project).toMatch(/^app-\d+$/)
})

test('what a session pays, and pays into balances, is in the chains of those whom it concerns', async () => {
  const [payer, other] = [await accountWith(0n), await accountWith(0n)]
  const session = await openSession(payer, 1_000_000n)
  const id = newId('exe')
  await session.pay(id)
  await ledger.capture(db, { id })
  const released = newId('exe')
  await session.pay(released)
  await ledger.release(db, released)
  await session.fund(payer, 300_000n)
  await session.fund(other, 200_000n)
  await execute(other)
  const held = newId('exe')
  await session.pay(held)

  expect(await totalsOf(payer)).toMatchObject({
    receipts: 3,
    by_reason: { execution: '-0.010000', fund: '0.100000' },
    balance_usd: '0.300000',
    sessions: 1,
    taken_usd: '0.510000',
  })
  expect(await totalsOf(other)).toMatchObject({
    receipts: 2,
    balance_usd: '0.190000',
    sessions: 0,
    taken_usd: '0.000000',
  })
  const seen = async (accountId: string) =>
    (await list(db, key, { accountId, order: 'asc', limit: 9 })).receipts.map((it) => [
      it.reason,
      it.of,
      it.amount_usd,
      it.balance_usd,
      it.session_id,
    ])
  const { sessionId } = session
  expect(await seen(payer)).toEqual([
    ['execution', 'session', '-0.010000', null, sessionId],
    ['fund', 'balance', '0.300000', '0.300000', sessionId],
    ['fund', 'session', '-0.200000', null, sessionId],
  ])
  expect(await seen(other)).toEqual([
    ['fund', 'balance', '0.200000', '0.200000', sessionId],
    ['execution', 'balance', '-0.010000', '0.190000', null],
  ])

  // At its end, what is unused of both balances goes back.
  await ledger.release(db, held)
  const now = new Date()
  await sql`update session set status = 'closing', closing_at = ${now} where session_id = ${sessionId}`.execute(
    db,
  )
  await sql`select session_return(${sessionId}, ${now})`.execute(db)
  await sql`update session set status = 'closed', settled_micro_usd = committed_micro_usd, closed_at = ${now},
    refunded_micro_usd = deposit_micro_usd - committed_micro_usd, close_tx = '0x1'
    where session_id = ${sessionId}`.execute(db)
  expect(await totalsOf(payer)).toMatchObject({ balance_usd: '0.000000', taken_usd: '0.020000' })
  expect(await totalsOf(other)).toMatchObject({ balance_usd: '0.000000' })
  expect((await standing(db, key, payer)).sessions).toMatchObject([
    {
      status: 'closed',
      taken_usd: '0.020000',
      close: { captured_usd: '0.020000', refunded_usd: '0.980000' },
    },
  ])
})

test('whatever happens in whatever order, the bill adds up, to the nano-dollar', async () => {
  const step = fc.oneof(
    fc.constantFrom('execute' as const, 'buy' as const, 'charge' as const, 'charge' as const),
    fc.record({ fund: fc.bigInt({ min: 1n, max: 90_000n }), grant: fc.boolean() }),
    fc.record({ refund: fc.nat(3), part: fc.bigInt({ min: 1n, max: 9_999n }) }),
    fc.record({
      use: fc.nat(1),
      requests: fc.nat(60_000),
      cpuUs: fc.nat(1_000).map((it) => it * 10),
      rowsRead: fc.nat(999),
      rowsWritten: fc.nat(9_999),
    }),
    fc.record({ deploy: fc.nat(1) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const accountId = await accountWith(150_000n)
      const session = await openSession(accountId, 100_000_000n)
      const ids = [await deployed(accountId), await deployed(accountId)] as const
      const charges: string[] = []
      for (const it of steps) {
        const id = newId('exe')
        if (it === 'charge') await chargeRuntime()
        else if (it === 'execute')
          await execute(accountId, id).then(
            () => charges.push(id),
            () => {},
          )
        else if (it === 'buy') {
          await session.pay(id)
          await ledger.capture(db, { id })
          charges.push(id)
        } else if ('fund' in it) {
          const { fund: amountMicroUsd } = it
          if (!it.grant) await session.fund(accountId, amountMicroUsd)
          else await ledger.grant(db, { id: newId('grant'), accountId, amountMicroUsd })
        } else if ('refund' in it) {
          const [chargeId] = charges.slice(it.refund)
          const refund = { id: newId('refund'), amountMicroUsd: it.part }
          if (chargeId) await ledger.refund(db, { ...refund, chargeId }).catch(() => {})
        } else if ('use' in it) {
          const { use: nth, ...used } = it
          await use(ids[nth] as string, used)
        } else await redeployed(accountId, ids[it.deploy] as string).catch(() => {})
      }
      const { balance_usd, without_detail } = await totalsOf(accountId)
      const { availableMicroUsd } = await ledger.balanceOf(db, accountId)
      expect([fromUsd(balance_usd), without_detail]).toEqual([availableMicroUsd, 0])
    }),
    { numRuns: 40 },
  )
  expect(await audit(db)).toEqual([])
}, 120_000)

test('a hundred payments at once while everybody looks: no gap, nothing twice, nothing left out', async () => {
  const accountId = await accountWith(10_000_000n)
  const projectId = await deployed(accountId)
  const session = await openSession(accountId, 10_000_000n)
  const ids = Array.from({ length: 100 }, () => newId('exe'))
  const paid: string[] = []
  const seen: Promise<unknown>[] = []
  await Promise.all(
    ids.map(async (id, i) => {
      if (i % 2) await execute(accountId, id)
      else {
        await session.pay(id)
        await ledger.capture(db, { id })
      }
      paid.push(id)
      if (i % 10 === 3) await session.fund(accountId, 1_000n)
      if (i % 10 === 5) await use(projectId, { requests: 50_000 })
      if (i % 10 === 7) await chargeRuntime()
      if (i % 4 === 0) {
        // Whoever looks after a payment sees it.
        const before = [...paid]
        seen.push(
          list(db, key, { accountId, order: 'asc', limit: 500 }).then(({ receipts }) => {
            const there = new Set(receipts.map((it) => it.receipt_id))
            expect(before.filter((it) => !there.has(it))).toEqual([])
          }),
        )
      }
      if (i % 25 === 0)
        seen.push(sealDue(db, key, new AbortController().signal), totalsOf(accountId))
    }),
  )
  await Promise.all(seen)
  const { receipts } = await billOf(db, key, accountId)
  expect(receipts.map((it) => it.position)).toEqual(receipts.map((_, i) => i + 1))
  const listed = receipts.filter((it) => it.reason === 'execution').map((it) => it.receipt_id)
  expect(listed.toSorted()).toEqual(ids.toSorted())
  await totalsOf(accountId)
  expect(await audit(db)).toEqual([])
})

test('what was sealed with one key stays true with the next', async () => {
  const accountId = await accountWith(100_000n)
  await billOf(db, key, accountId)
  const next = await testReceiptKey()
  await execute(accountId)
  const bill = await billOf(db, next, accountId)
  expect(await verifyBill(bill)).toMatchObject({
    ok: false,
    finding: { rule: 'key', position: 1 },
  })
  expect(await verifyBill({ ...bill, keys: [next.publicKey, key.publicKey] })).toMatchObject({
    ok: true,
    totals: { receipts: 2, key_ids: [next.publicKey.kid, key.publicKey.kid] },
  })
})

test('more entries than one transaction seals are sealed all the same', async () => {
  const accountId = await accountWith(1n)
  await sql`
    select ledger_deposit(${accountId} || i, ${accountId}, 1, 'granted', 'grant', null, null, null)
    from generate_series(1, 1234) i`.execute(db)
  expect(await sealDue(db, key, new AbortController().signal)).toBeGreaterThanOrEqual(1_235)
  expect(await sealDue(db, key, new AbortController().signal)).toBe(0)
  expect((await totalsOf(accountId)).receipts).toBe(1_235)
})

test('kill -9 while receipts are sealed, again and again: no gap, nothing twice, nothing left out', async () => {
  const pem = newReceiptKey()
  const accountId = await accountWith(100_000_000n)
  const connection = JSON.stringify(database.connection)
  const program = new URL('testing/seal.ts', import.meta.url)
  let killed = 0
  const ids: string[] = []
  const paying = Array.from({ length: 4 }, async () => {
    while (killed < 8) {
      const id = newId('exe')
      await execute(accountId, id)
      ids.push(id)
    }
  })
  while (killed < 8) {
    const child = runChild(program, [connection, pem, accountId])
    await child.ready
    await sleep(Math.random() * 100)
    await child.kill()
    killed++
  }
  await Promise.all(paying)
  const bill = await billOf(db, await testReceiptKey(pem), accountId)
  expect(await verifyBill(bill)).toMatchObject({ ok: true, totals: { receipts: ids.length + 1 } })
  expect(
    bill.receipts
      .slice(1)
      .map((it) => it.receipt_id)
      .toSorted(),
  ).toEqual(ids.toSorted())
  expect(await audit(db)).toEqual([])
}, 60_000)

test('receipts cannot be changed or removed, and the audit finds what has none', async () => {
  await using other = await testDatabase()
  await ledger.createLedgerAccount(other.db, 'acc')
  await ledger.grant(other.db, { id: 'g', accountId: 'acc', amountMicroUsd: 5n })
  expect(await audit(other.db)).toEqual([])
  await standing(other.db, key, 'acc')
  expect(await audit(other.db)).toEqual([])
  for (const statement of [
    "update receipt set receipt = '{}'",
    'delete from receipt',
    'truncate receipt',
    'truncate ledger_detail',
  ])
    await expect(sql.raw(statement).execute(other.db)).rejects.toThrow('append-only')
  await ledger.grant(other.db, { id: 'h', accountId: 'acc', amountMicroUsd: 5n })
  await sql`delete from receipt_due`.execute(other.db)
  expect(await audit(other.db)).toEqual([
    { rule: 'an entry has its receipt, or is due for one', subject: 'h', detail: 'of acc' },
  ])
})
