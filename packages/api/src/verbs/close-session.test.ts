import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Jack } from '../jack.ts'
import { balanceOf as onChain, testChain } from '../payments/localnet/testing.ts'
import { newPayee, type TestPayee } from '../payments/mppx/testing.ts'
import type { Payments } from '../payments/Payments.ts'
import { freeze } from '../store/closings.ts'
import * as ledger from '../store/ledger.ts'
import { audit } from '../store/ledgerAudit.ts'
import { chargeDue } from '../store/runtime.ts'
import { pay, SessionRefused } from '../store/sessions.ts'
import { runChild } from '../store/testing/child.ts'
import { type Order, steps } from '../testing/close.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import {
  newAccount,
  newProject,
  newSession,
  type TestSession,
  useRuntime,
} from '../testing/sessions.ts'
import { closeSession, finishClosings } from './close-session.ts'

const chain = testChain()
let cloud: TestCloud
let us: TestPayee
let jack: Jack

beforeAll(async () => {
  cloud = await testCloud()
  us = await newPayee(await chain())
  // The cloud itself takes no payments, so that nobody but the test closes anything.
  jack = { ...cloud.jack, payments: us.payments as Payments }
})
afterAll(async () => {
  expect(await audit(cloud.jack.db)).toEqual([])
  await cloud.close()
})

const available = async (accountId: string) =>
  (await ledger.balanceOf(jack.db, accountId)).availableMicroUsd

/** Expects that a session ended so, in the books and on chain. */
async function expectClosed(
  it: TestSession,
  captured: bigint,
  before: { payer: bigint; payee: bigint },
) {
  const { depositMicroUsd, payer } = it.channel
  expect(await it.read()).toMatchObject({
    status: 'closed',
    committedMicroUsd: captured,
    settledMicroUsd: captured,
    refundedMicroUsd: depositMicroUsd - captured,
    closeTx: expect.stringMatching(/^0x[0-9a-f]{64}$/),
  })
  const net = await chain()
  expect((await onChain(net, us.payee.address)) - before.payee).toBe(captured)
  expect((await onChain(net, payer)) - before.payer).toBe(depositMicroUsd - captured)
}

const balances = async ({ channel }: TestSession) => ({
  payer: await onChain(await chain(), channel.payer),
  payee: await onChain(await chain(), us.payee.address),
})

test('whatever was not delivered goes back, to the micro-dollar: calls, budgets of one own and of others', async () => {
  const it = await newSession(jack, us, 5_000_000n)
  const friend = await newAccount(jack)
  const [own, theirs] = [await newProject(jack, it.accountId), await newProject(jack, friend)]
  await ledger.grant(jack.db, { id: crypto.randomUUID(), accountId: friend, amountMicroUsd: 100n })

  await it.buy(10_000n)
  await ledger.capture(jack.db, { id: await it.pay(50_000n), amountMicroUsd: 12_345n })
  await ledger.release(jack.db, await it.pay(777_777n))
  await it.fund(1_000_000n)
  await it.fund(500_000n, friend)
  useRuntime(jack, own, 333_333)
  useRuntime(jack, theirs, 70_100)

  const before = await balances(it)
  const closed = await closeSession(jack, it.sessionId, 'asked')
  expect(closed).toMatchObject({ status: 'closed', closeReason: 'asked' })
  // The friend's own money was used first.
  await expectClosed(it, 10_000n + 12_345n + 333_333n + 70_000n, before)
  expect(await available(it.accountId)).toBe(0n)
  expect(await available(friend)).toBe(0n)
})

test('an own balance stays, whatever a session had added to it', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.fund(400_000n)
  await ledger.grant(jack.db, {
    id: crypto.randomUUID(),
    accountId: it.accountId,
    amountMicroUsd: 250_000n,
  })
  const before = await balances(it)
  await closeSession(jack, it.sessionId, 'asked')
  await expectClosed(it, 0n, before)
  expect(await available(it.accountId)).toBe(250_000n)
})

test('work in progress is waited for, and paid when it is delivered', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  const [done, failed] = [await it.pay(30_000n), await it.pay(40_000n)]
  const before = await balances(it)
  const closing = closeSession(jack, it.sessionId, 'asked')
  await expect.poll(async () => (await it.read()).status).toBe('closing')
  await ledger.capture(jack.db, { id: done })
  await ledger.release(jack.db, failed)
  expect((await closing).status).toBe('closed')
  await expectClosed(it, 30_000n, before)
})

test('what stays held for long keeps the session closing, and it is closed once that has ended', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  const [direct, friend] = [await it.pay(30_000n), await newAccount(jack)]
  await it.fund(200_000n, friend)
  const id = crypto.randomUUID()
  await ledger.reserve(jack.db, { id, accountId: friend, amountMicroUsd: 150_000n, kind: 'deploy' })
  const before = await balances(it)

  await freeze(jack.db, it.sessionId, 'asked', new Date())
  await finishClosings(jack)
  expect(await it.read()).toMatchObject({ status: 'closing', committedMicroUsd: 180_000n })
  await expect(it.pay(1n)).rejects.toThrow(SessionRefused)
  await ledger.capture(jack.db, { id: direct })
  await finishClosings(jack)
  expect((await it.read()).status).toBe('closing')
  await ledger.capture(jack.db, { id, amountMicroUsd: 150_000n })
  await finishClosings(jack)
  await expectClosed(it, 180_000n, before)
})

test('a closed session is closed once, however many ask, and nobody pays with it any more', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.buy(123_456n)
  const before = await balances(it)
  const closed = await Promise.all(
    Array.from({ length: 20 }, () => closeSession(jack, it.sessionId, 'asked')),
  )
  for (const one of closed) expect(one).toEqual(closed[0])
  await expectClosed(it, 123_456n, before)
  expect(await closeSession(jack, it.sessionId, 'asked')).toEqual(closed[0])
  await expect(it.buy(1n)).rejects.toThrow(SessionRefused)
  await expect(it.fund(1n)).rejects.toThrow(SessionRefused)
  await finishClosings(jack)
  await expectClosed(it, 123_456n, before)
})

test('a hundred who pay while a session is closed are refused sooner or later, and what they paid is captured', async () => {
  const it = await newSession(jack, us, 10_000_000n)
  const { channelId } = it.channel
  const signature = await it.channel.sign(10_000_000n)
  const voucherFor = (cumulativeMicroUsd: bigint) => {
    const challengeId = crypto.randomUUID()
    return { channelId, challengeId, cumulativeMicroUsd, signature }
  }
  await pay(jack.db, voucherFor(10_000_000n), null)
  let signed = 0n
  const before = await balances(it)
  let delivered = 0n
  const buyUntilRefused = async (amountMicroUsd: bigint) => {
    while (true) {
      const id = `exe_${crypto.randomUUID()}`
      try {
        await pay(jack.db, voucherFor(++signed), { id, amountMicroUsd, kind: 'execution' })
      } catch (error) {
        return (error as SessionRefused).refusal
      }
      await ledger.capture(jack.db, { id })
      delivered += amountMicroUsd
    }
  }
  const buying = Array.from({ length: 100 }, (_, i) => buyUntilRefused(BigInt(1_000 + i)))
  await expect.poll(() => delivered).toBeGreaterThan(0n)
  const closing = closeSession(jack, it.sessionId, 'asked')
  expect(new Set(await Promise.all(buying))).toEqual(new Set(['closed']))
  await closing
  await expectClosed(it, delivered, before)
})

test('a chain that does not answer keeps the session closing, and is asked again', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.buy(5_000n)
  const before = await balances(it)
  const down = { ...us.payments, close: () => Promise.reject(new Error('fetch failed')) }
  const cut = { ...jack, payments: down as unknown as Payments }
  expect((await closeSession(cut, it.sessionId, 'asked')).status).toBe('closing')
  await finishClosings(jack)
  await expectClosed(it, 5_000n, before)
})

test('a payer who is faster than we are gets away with it, and that is not passed over in silence', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.buy(100_000n)
  const voucher = { cumulativeMicroUsd: 100_000n, signature: await it.channel.sign(100_000n) }
  await us.payments.settle(await it.read(), voucher)
  await it.buy(250_000n)
  await it.fund(300_000n)
  await it.channel.withdraw()
  const said: unknown[] = []
  const log = { ...jack.log, error: (...it: unknown[]) => void said.push(it) }
  await closeSession({ ...jack, log: log as unknown as Jack['log'] }, it.sessionId, 'asked')
  expect(await it.read()).toMatchObject({
    status: 'closed',
    closeReason: 'withdrawn',
    committedMicroUsd: 350_000n,
    settledMicroUsd: 100_000n,
    refundedMicroUsd: 900_000n,
  })
  expect(said).toEqual([
    [expect.objectContaining({ lostUsd: '0.250000' }), expect.stringContaining('MONEY LOST')],
  ])
  // What nobody used of the balance is gone with the channel that carried it.
  expect(await available(it.accountId)).toBe(0n)
})

describe('a server that is killed while it closes sessions', () => {
  const captured = 111_111n + 2_222n

  async function usedSession() {
    const it = await newSession(jack, us, 1_000_000n)
    await it.buy(111_111n)
    await it.fund(500_000n)
    const { accountId } = it
    const id = crypto.randomUUID()
    await ledger.charge(jack.db, { id, accountId, amountMicroUsd: 2_222n, kind: 'runtime' })
    return { it, before: await onChain(await chain(), it.channel.payer) }
  }

  async function server(sessionIds: string[], dieAt: Order['dieAt']) {
    const { operatorKey, payments } = us
    const { connection } = cloud
    const order: Order = { connection, chain: payments.chain, operatorKey, sessionIds, dieAt }
    const child = runChild(new URL('../testing/close.ts', import.meta.url), [JSON.stringify(order)])
    await child.ready
    return child
  }

  async function expectOneEnd({ it, before }: Awaited<ReturnType<typeof usedSession>>) {
    expect(await it.read()).toMatchObject({
      status: 'closed',
      committedMicroUsd: captured,
      settledMicroUsd: captured,
      refundedMicroUsd: 1_000_000n - captured,
    })
    const refunded = (await onChain(await chain(), it.channel.payer)) - before
    expect(refunded).toBe(1_000_000n - captured)
    expect(await available(it.accountId)).toBe(0n)
  }

  test('after each step: it is closed once, for what was delivered', async () => {
    for (const step of steps) {
      const used = await usedSession()
      await (await server([used.it.sessionId], step)).ended
      const isDone = step === 'it is closed'
      expect((await used.it.read()).status, step).toBe(isDone ? 'closed' : 'closing')
      await finishClosings(jack)
      await expectOneEnd(used)
    }
  }, 240_000)

  test('at any moment: each is closed once, for what was delivered', async () => {
    const all = await Promise.all(Array.from({ length: 12 }, usedSession))
    const isOpen = async ({ it }: (typeof all)[0]) => (await it.read()).status === 'open'
    for (let kills = 0; kills < 5; kills++) {
      const open = await Promise.all(all.map(async (one) => ((await isOpen(one)) ? one.it : null)))
      const child = await server(
        open.flatMap((it) => it?.sessionId ?? []),
        null,
      )
      await sleep(Math.random() * 150)
      await child.kill()
      await finishClosings(jack)
    }
    for (const one of all)
      if (await isOpen(one)) await closeSession(jack, one.it.sessionId, 'asked')
    for (const one of all) await expectOneEnd(one)
  }, 240_000)
})

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** What should become of an account's balance: own money is used up before what a session added. */
class Purse {
  own = 0n
  unused = 0n
  /** Runtime that nothing paid for yet. */
  owed = 0n

  take(microUsd: bigint): boolean {
    if (microUsd > this.own + this.unused) return false
    const ofOwn = least(microUsd, this.own)
    this.own -= ofOwn
    this.unused -= microUsd - ofOwn
    return true
  }

  payOwed(): void {
    const all = this.own + this.unused
    const paid = least(this.owed, all)
    this.take(paid)
    this.owed -= paid
  }
}

test('whatever is done with a session, it takes what was delivered, and the rest goes back', async () => {
  const amount = fc.bigInt({ min: 1n, max: 400_000n })
  const whose = fc.nat(1)
  const step = fc.oneof(
    fc.record({ do: fc.constant('pay' as const), amount }),
    fc.record({ do: fc.constant('settle' as const), which: fc.nat(4), amount: fc.option(amount) }),
    fc.record({ do: fc.constant('fund' as const), amount, whose }),
    fc.record({ do: fc.constant('spend' as const), amount, whose }),
    fc.record({ do: fc.constant('use' as const), amount, whose }),
    fc.record({ do: fc.constant('grant' as const), amount, whose }),
  )
  let charged = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 20 }), async (steps) => {
      const it = await newSession(jack, us, 3_000_000n)
      const accounts = [it.accountId, await newAccount(jack)].map((accountId) => ({
        accountId,
        purse: new Purse(),
      }))
      const projects = await Promise.all(accounts.map((of) => newProject(jack, of.accountId)))
      const open: { id: string; amount: bigint }[] = []
      let [delivered, held, funded] = [0n, 0n, 0n]
      const room = () => 3_000_000n - delivered - held - funded
      for (const one of steps) {
        const { accountId, purse } = accounts[
          'whose' in one ? one.whose : 0
        ] as (typeof accounts)[0]
        const projectId = projects['whose' in one ? one.whose : 0] as string
        const id = crypto.randomUUID()
        switch (one.do) {
          case 'pay':
            if (one.amount > room()) {
              await expect(it.pay(one.amount)).rejects.toThrow(SessionRefused)
              break
            }
            open.push({ id: await it.pay(one.amount), amount: one.amount })
            held += one.amount
            break
          case 'settle': {
            const [taken] = open.splice(one.which, 1)
            if (!taken) break
            const most = one.amount ?? 0n
            const part = least(most, taken.amount)
            if (part === 0n) await ledger.release(jack.db, taken.id)
            else await ledger.capture(jack.db, { id: taken.id, amountMicroUsd: part })
            held -= taken.amount
            delivered += part
            break
          }
          case 'fund':
            if (one.amount > room()) break
            await it.fund(one.amount, accountId)
            funded += one.amount
            purse.unused += one.amount
            break
          case 'spend': {
            const spent = ledger.charge(jack.db, {
              id,
              accountId,
              amountMicroUsd: one.amount,
              kind: 'deploy',
            })
            if (purse.take(one.amount)) await spent
            else await expect(spent).rejects.toMatchObject({ code: 'insufficient_balance' })
            break
          }
          case 'use':
            useRuntime(jack, projectId, Number(one.amount))
            purse.owed += one.amount
            break
          case 'grant':
            await ledger.grant(jack.db, { id, accountId, amountMicroUsd: one.amount })
            purse.own += one.amount
        }
        await jack.recorder.flush()
        await chargeDue(jack.db, jack.newId('run'), { now: new Date(), projectId })
        purse.payOwed()
      }
      for (const { id, amount } of open) {
        await ledger.capture(jack.db, { id })
        delivered += amount
      }
      // What was used last is charged by the close itself where that carries it, and from own money any time.
      for (const [i, { purse }] of accounts.entries()) {
        useRuntime(jack, projects[i] as string, 12_345)
        purse.owed += 12_345n
        purse.payOwed()
      }
      const before = await balances(it)
      await closeSession(jack, it.sessionId, 'asked')
      const used = funded - accounts.reduce((sum, { purse }) => sum + purse.unused, 0n)
      await expectClosed(it, delivered + used, before)
      for (const projectId of projects)
        await chargeDue(jack.db, jack.newId('run'), { now: new Date(), projectId })
      for (const { accountId, purse } of accounts)
        expect(await available(accountId)).toBe(purse.own)
      charged += used > 0n ? 1 : 0
    }),
    { numRuns: 15 },
  )
  expect(charged).toBeGreaterThan(0)
}, 240_000)
