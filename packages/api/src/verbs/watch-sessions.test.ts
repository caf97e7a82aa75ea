import { randomBytes } from 'node:crypto'
import { toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChannelState } from '../Channel.ts'
import type { Jack } from '../jack.ts'
import { balanceOf as onChain, testChain } from '../payments/localnet/testing.ts'
import { newPayee, openChannel, type TestPayee } from '../payments/mppx/testing.ts'
import type { Payments } from '../payments/Payments.ts'
import * as ledger from '../store/ledger.ts'
import { audit } from '../store/ledgerAudit.ts'
import * as sessions from '../store/sessions.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { newAccount, newSession, type TestSession } from '../testing/sessions.ts'
import { settleSessions } from './settle-sessions.ts'
import { watchSessions } from './watch-sessions.ts'

const chain = testChain()
let cloud: TestCloud
let us: TestPayee
let jack: Jack

beforeAll(async () => {
  cloud = await testCloud()
  us = await newPayee(await chain())
  jack = { ...cloud.jack, payments: us.payments as Payments }
})
afterAll(async () => {
  expect(await audit(cloud.jack.db)).toEqual([])
  await cloud.close()
})

const payeeHas = async () => onChain(await chain(), us.payee.address)
const day = 86_400_000

test('a payer who asks the chain for his money gets it at once, less what he spent', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  const other = await newSession(jack, us, 1_000_000n)
  await it.buy(400_000n)
  await it.fund(100_000n)
  const before = await payeeHas()
  await it.channel.requestClose()
  await watchSessions(jack)
  expect(await it.read()).toMatchObject({
    status: 'closed',
    closeReason: 'requested_on_chain',
    settledMicroUsd: 400_000n,
    refundedMicroUsd: 600_000n,
  })
  expect((await payeeHas()) - before).toBe(400_000n)
  expect((await other.read()).status).toBe('open')
})

test('what was deposited without a word to us counts', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.channel.topUp(500_000n)
  await expect(it.buy(1_200_000n)).rejects.toMatchObject({ refusal: 'over_deposit' })
  await watchSessions(jack)
  await it.buy(1_200_000n)
  expect(await it.read()).toMatchObject({ status: 'open', depositMicroUsd: 1_500_000n })
})

test('a top-up that nobody told us of before the close is refunded, and in the books', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  await it.channel.topUp(500_000n)
  await it.channel.requestClose()
  const blind = {
    ...us.payments,
    channels: async (ids: `0x${string}`[]) =>
      (await us.payments.channels(ids)).map((state) => ({ ...state, depositMicroUsd: 1_000_000n })),
  }
  await watchSessions({ ...jack, payments: blind as unknown as Payments })
  expect(await it.read()).toMatchObject({
    status: 'closed',
    depositMicroUsd: 1_500_000n,
    refundedMicroUsd: 1_500_000n,
  })
})

test('a payer who took everything back is told from one whom a node does not know yet', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  const young = await newSession(jack, us, 1_000_000n)
  const gone: ChannelState = { depositMicroUsd: 0n, settledMicroUsd: 0n, closeRequestedAt: null }
  const behind = { ...us.payments, channels: async (ids: unknown[]) => ids.map(() => gone) }
  await watchSessions({ ...jack, payments: behind as unknown as Payments })
  expect([(await it.read()).status, (await young.read()).status]).toEqual(['open', 'open'])

  await it.channel.withdraw()
  await watchSessions(jack)
  expect(await it.read()).toMatchObject({ status: 'closed', closeReason: 'withdrawn' })
  expect((await young.read()).status).toBe('open')
})

describe('a session whose opening was cut off', () => {
  const begin = async (on: { isOnChain: boolean; ageMs: number }) => {
    const channel = await openChannel(us, 1_000_000n)
    const channelId = on.isOnChain ? channel.channelId : toHex(randomBytes(32))
    const { sessionId } = await sessions.begin(
      jack.db,
      {
        ...channel,
        channelId,
        sessionId: `ses_${crypto.randomUUID()}`,
        accountId: await newAccount(jack),
        authorizedMicroUsd: 10_000n,
        signature: await channel.sign(10_000n),
      },
      new Date(Date.now() - on.ageMs),
    )
    await watchSessions(jack)
    return (await sessions.get(jack.db, sessionId))?.status
  }
  test('is open as soon as the chain has it', async () => {
    expect(await begin({ isOnChain: true, ageMs: 0 })).toBe('open')
  })
  test('is waited for as long as the chain could have it', async () => {
    expect(await begin({ isOnChain: false, ageMs: 60_000 })).toBe('opening')
  })
  test('is forgotten when the chain has not', async () => {
    expect(await begin({ isOnChain: false, ageMs: 121_000 })).toBe(undefined)
  })
})

describe('a session that nobody uses', () => {
  const later = (days: number) => ({ ...jack, now: () => new Date(Date.now() + days * day) })

  test('is closed after 30 days, not before, and never where that is switched off', async () => {
    const it = await newSession(jack, us, 1_000_000n)
    await it.buy(10_000n)
    await watchSessions(later(29))
    expect((await it.read()).status).toBe('open')
    await watchSessions({ ...later(3_000), config: { ...jack.config, sessionIdleDays: 0 } })
    expect((await it.read()).status).toBe('open')
    await watchSessions(later(31))
    expect(await it.read()).toMatchObject({
      status: 'closed',
      closeReason: 'idle',
      settledMicroUsd: 10_000n,
    })
  })

  test('is used as long as apps live on what it added to a balance', async () => {
    const it = await newSession(jack, us, 1_000_000n)
    await it.fund(500_000n)
    const spend = (days: number) =>
      jack.db
        .updateTable('session')
        .set({ used_at: new Date(Date.now() - days * day) })
        .where('session_id', '=', it.sessionId)
        .execute()
    await spend(40)
    const id = crypto.randomUUID()
    const { accountId } = it
    await ledger.charge(jack.db, { id, accountId, amountMicroUsd: 1n, kind: 'runtime' })
    await watchSessions(jack)
    expect((await it.read()).status).toBe('open')
    await watchSessions(later(31))
    expect(await it.read()).toMatchObject({ status: 'closed', settledMicroUsd: 1n })
  })
})

describe('settling', () => {
  const settle = (aboveMicroUsd: bigint) =>
    settleSessions({ ...jack, config: { ...jack.config, settleAboveMicroUsd: aboveMicroUsd } })
  const settledOf = async (it: TestSession) => {
    const [state] = await us.payments.channels([it.channel.channelId])
    expect((await it.read()).settledMicroUsd).toBe(state?.settledMicroUsd)
    return state?.settledMicroUsd
  }

  test('takes the highest voucher that is spent but one, once there is enough to take', async () => {
    const it = await newSession(jack, us, 5_000_000n)
    await it.buy(300_000n)
    await it.buy(400_000n)
    await settle(700_000n)
    expect(await settledOf(it)).toBe(0n)
    await settle(600_000n)
    expect(await settledOf(it)).toBe(300_000n)
    await it.buy(100_000n)
    await settle(50_000n)
    expect(await settledOf(it)).toBe(700_000n)
  })

  test('never takes what was signed for, held or added to a balance, and not spent', async () => {
    const it = await newSession(jack, us, 5_000_000n)
    await it.buy(100_000n)
    const held = await it.pay(200_000n)
    await it.fund(1_000_000n)
    await settle(0n)
    expect(await settledOf(it)).toBe(100_000n)
    // 300,000 are spent; the vouchers are for 100,000, 300,000 and 1,300,000.
    await ledger.capture(jack.db, { id: held })
    await settle(0n)
    expect(await settledOf(it)).toBe(300_000n)
    const id = crypto.randomUUID()
    const { accountId } = it
    await ledger.charge(jack.db, { id, accountId, amountMicroUsd: 999_999n, kind: 'runtime' })
    await settle(0n)
    expect(await settledOf(it)).toBe(300_000n)
  })

  test('that was cut off after the chain took it is noticed, and closing takes only the rest', async () => {
    const it = await newSession(jack, us, 1_000_000n)
    await it.buy(250_000n)
    const before = await payeeHas()
    const { channelId, sign } = it.channel
    await us.payments.settle(await it.read(), {
      cumulativeMicroUsd: 250_000n,
      signature: await sign(250_000n),
    })
    expect((await it.read()).settledMicroUsd).toBe(0n)
    await it.buy(50_000n)
    await settle(0n)
    expect(await settledOf(it)).toBe(250_000n)
    await it.channel.requestClose()
    await watchSessions(jack)
    expect(await sessions.findByChannel(jack.db, channelId)).toMatchObject({
      status: 'closed',
      settledMicroUsd: 300_000n,
      refundedMicroUsd: 700_000n,
    })
    expect((await payeeHas()) - before).toBe(300_000n)
  })
})

test('sessions of another chain are left alone', async () => {
  const it = await newSession(jack, us, 1_000_000n)
  const { chain } = us.payments
  const elsewhere = { ...us.payments, chain: { ...chain, id: 4217 } } as unknown as Payments
  await it.channel.requestClose()
  await watchSessions({ ...jack, payments: elsewhere })
  expect((await it.read()).status).toBe('open')
})

test('an operator who takes no payments watches nothing', async () => {
  await watchSessions({ ...jack, payments: null })
  await settleSessions({ ...jack, payments: null })
})
