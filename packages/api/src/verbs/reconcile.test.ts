import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Jack } from '../jack.ts'
import { testChain } from '../payments/localnet/testing.ts'
import { newPayee, openChannel, type TestPayee } from '../payments/mppx/testing.ts'
import type { Payments } from '../payments/Payments.ts'
import { freeze } from '../store/closings.ts'
import { openDatabase } from '../store/database.ts'
import * as ledger from '../store/ledger.ts'
import { type TestDatabase, testDatabase } from '../store/testing/database.ts'
import { newAccount, newSession } from '../testing/sessions.ts'
import { closeSession } from './close-session.ts'
import { reconcile } from './reconcile.ts'
import { settleSessions } from './settle-sessions.ts'

const chain = testChain()
let database: TestDatabase
let us: TestPayee
let jack: Jack

/** A payee and books of their own for each test: whatever they do not agree about is its doing. */
beforeEach(async () => {
  database = await testDatabase()
  us = await newPayee(await chain())
  let count = 0
  jack = {
    db: openDatabase({ connection: database.connection }),
    payments: us.payments as Payments,
    config: { settleAboveMicroUsd: 0n },
    captures: { flush() {} },
    recorder: { flush: async () => {} },
    log: { info() {}, error() {}, warn() {} },
    closing: new AbortController().signal,
    now: () => new Date(),
    newId: () => `run_${count++}`,
  } as unknown as Jack
})
afterEach(async () => {
  await jack.db.destroy()
  await database.drop()
})

const differences = async (of = jack, since: Date | null = null) =>
  (await reconcile(of, { since, pauseMs: 0 })).differences.map((it) => [
    it.what,
    it.subject,
    it.amountMicroUsd,
  ])
const later = (minutes: number) => ({
  ...jack,
  now: () => new Date(Date.now() + minutes * 60_000),
})

/** A charge as the doors would have kept it. */
async function bookCharge(it: {
  txHash: string
  state: 'paid' | 'failed' | 'broadcasting'
  microUsd: bigint
  isCredited?: boolean
}) {
  const challengeId = crypto.randomUUID()
  const accountId = await newAccount(jack)
  await jack.db
    .insertInto('charge')
    .values({
      challenge_id: challengeId,
      tx_hash: it.txHash,
      account_id: accountId,
      credit_account_id: accountId,
      work_id: challengeId,
      amount_micro_usd: it.microUsd,
      scope: 'POST /execute',
      credential: '',
      state: it.state,
      created_at: new Date(),
    })
    .execute()
  if (it.isCredited) {
    const id = `charge:${challengeId}`
    await ledger.grant(jack.db, { id, accountId, amountMicroUsd: it.microUsd, kind: 'fund' })
  }
  return challengeId
}

/** Money comes to the payee by a transfer; answers the transaction. */
async function transfer(microUsd: bigint): Promise<string> {
  await (await chain()).faucet(us.payee.address, microUsd)
  return (await us.payments.income()).at(-1)?.txHash as string
}

test('books and chain agree about everything that Jack does', async () => {
  const one = await newSession(jack, us, 5_000_000n)
  await one.buy(400_000n)
  await one.fund(1_000_000n)
  await settleSessions(jack)
  await one.buy(30_000n)
  const held = await one.pay(20_000n)
  const two = await newSession(jack, us, 2_000_000n)
  await two.buy(123n)
  await closeSession(jack, two.sessionId, 'asked')
  const txHash = await transfer(10_000n)
  await bookCharge({ txHash, state: 'paid', microUsd: 10_000n, isCredited: true })
  await bookCharge({ txHash: '0xfailed', state: 'failed', microUsd: 10_000n })

  const { totals, ...rest } = await reconcile(jack)
  expect(rest).toMatchObject({ chainId: 1337, since: null, differences: [] })
  expect(totals).toEqual({
    sessions: { open: 1, closing: 0, closed: 1 },
    depositMicroUsd: 5_000_000n,
    spentMicroUsd: 430_000n,
    heldMicroUsd: 20_000n,
    unusedMicroUsd: 1_000_000n,
    atRiskMicroUsd: 30_000n,
    settledMicroUsd: 400_123n,
    chargedMicroUsd: 10_000n,
    lostMicroUsd: 0n,
    incomeMicroUsd: 410_123n,
  })
  await ledger.release(jack.db, held)
  expect(await differences(jack, new Date())).toEqual([])
})

test('what payers did behind our back is told until it is noted', async () => {
  const [asked, more, gone] = [
    await newSession(jack, us, 1_000_000n),
    await newSession(jack, us, 1_000_000n),
    await newSession(jack, us, 1_000_000n),
  ]
  await asked.buy(100_000n)
  await gone.buy(200_000n)
  await asked.channel.requestClose()
  await more.channel.topUp(70_000n)
  await gone.channel.withdraw()
  expect(new Set(await differences())).toEqual(
    new Set([
      ['a payer asked for his money', asked.sessionId, 100_000n],
      ['a deposit differs', more.sessionId, 70_000n],
      ['a channel is gone', gone.sessionId, 200_000n],
    ]),
  )
  await closeSession(jack, asked.sessionId, 'requested_on_chain')
  await closeSession(jack, more.sessionId, 'asked')
  await closeSession(jack, gone.sessionId, 'requested_on_chain')
  expect(await differences()).toEqual([['money is lost', gone.sessionId, 200_000n]])
  expect((await reconcile(jack, { pauseMs: 0 })).totals.lostMicroUsd).toBe(200_000n)
  expect(await differences(jack, new Date(Date.now() + 1_000))).toEqual([])
})

test('a voucher that was settled beyond what was delivered is told', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.buy(100_000n)
  await it.pay(250_000n)
  await us.payments.settle(await it.read(), {
    cumulativeMicroUsd: 350_000n,
    signature: await it.channel.sign(350_000n),
  })
  expect(await differences()).toEqual([
    ['a settlement differs', it.sessionId, 350_000n],
    ['more was taken than delivered', it.sessionId, 250_000n],
  ])
})

test('a session that does not close, or that no key closes, or nobody watches, is told', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.buy(5_000n)
  await freeze(jack.db, it.sessionId, 'asked', new Date())
  expect(await differences(later(9))).toEqual([])
  expect(await differences(later(11))).toEqual([['a session does not close', it.sessionId, 5_000n]])
  const { chain } = us.payments
  const withChain = (more: object) =>
    ({ ...jack, payments: { ...us.payments, chain: { ...chain, ...more } } }) as unknown as Jack
  expect(await differences(withChain({ operator: '0x1' }))).toEqual([
    ['no key of ours closes a channel', it.sessionId, 5_000n],
  ])
  expect(await differences(withChain({ id: 4_217 }))).toEqual([
    ['nobody watches a channel', it.sessionId, 5_000n],
  ])
})

test('a channel that somebody opened to us is told as long as it is open', async () => {
  const channel = await openChannel(us, 900_000n)
  expect(await differences()).toEqual([['an unknown channel', channel.channelId, 900_000n]])
  expect(await differences(jack, new Date(Date.now() + 86_400_000))).toEqual([])
  await channel.withdraw()
  expect(await differences()).toEqual([])
})

test('each charge has its income, and each income its charge', async () => {
  const stray = await transfer(1n)
  const less = await transfer(9_000n)
  const unbooked = await transfer(10_000n)
  const uncredited = await transfer(10_000n)
  const charges = {
    less: await bookCharge({ txHash: less, state: 'paid', microUsd: 10_000n, isCredited: true }),
    none: await bookCharge({ txHash: '0x1', state: 'paid', microUsd: 10_000n, isCredited: true }),
    unbooked: await bookCharge({ txHash: unbooked, state: 'failed', microUsd: 10_000n }),
    uncredited: await bookCharge({ txHash: uncredited, state: 'paid', microUsd: 10_000n }),
    open: await bookCharge({ txHash: '0x2', state: 'broadcasting', microUsd: 10_000n }),
  }
  const found = [
    ['a charge brought in something else', charges.less, -1_000n],
    ['a charge brought in something else', charges.none, -10_000n],
    ['a charge was paid and is not booked', charges.unbooked, 10_000n],
    ['a charge is in no balance', charges.uncredited, 10_000n],
    ['income that nobody knows', stray, 1n],
  ]
  expect(new Set(await differences())).toEqual(new Set(found))
  expect(new Set(await differences(later(11)))).toEqual(
    new Set([...found, ['nobody knows what became of a charge', charges.open, 10_000n]]),
  )
})

test('a session that brought in something else than its books say is told, and so is income of a lost one', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.buy(300_000n)
  const { txHash } = await us.payments.close(await it.read(), 200_000n)
  await freeze(jack.db, it.sessionId, 'asked', new Date())
  await jack.db
    .updateTable('session')
    .set({ status: 'closed', settled_micro_usd: 300_000n, closed_at: new Date() })
    .execute()
  expect(await differences()).toEqual([
    ['a session brought in something else', it.sessionId, -100_000n],
  ])
  await using lost = await testDatabase()
  expect(await differences({ ...jack, db: lost.db })).toEqual([
    ['income that nobody knows', txHash, 200_000n],
  ])
})

test('what contradicts itself in the ledger is told with the rule that it breaks', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.buy(100_000n)
  await sql`update session set committed_micro_usd = 99999`.execute(jack.db)
  const { differences } = await reconcile(jack, { pauseMs: 0 })
  expect(differences).toMatchObject([
    {
      what: 'the ledger contradicts itself',
      subject: it.sessionId,
      detail: expect.stringContaining('what is committed of a session is held'),
      advice: expect.stringContaining('report it'),
    },
  ])
})

test('what is under way is no difference', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.buy(100_000n)
  await us.payments.close(await it.read(), 100_000n)
  const comparing = reconcile(jack, { pauseMs: 2_000 })
  await closeSession(jack, it.sessionId, 'asked')
  expect((await comparing).differences).toEqual([])
})
