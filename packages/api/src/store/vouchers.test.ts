import { randomBytes } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import type { Hex } from '../Session.ts'
import { audit } from './ledgerAudit.ts'
import * as sessions from './sessions.ts'
import { newChannel } from './testing/channel.ts'
import { testDatabase } from './testing/database.ts'
import { Vouchers } from './vouchers.ts'

const database = await testDatabase()
const { db } = database
const vouchers = new Vouchers(db)
afterAll(async () => {
  expect(await audit(db)).toEqual([])
  await database.drop()
})

let count = 0
const unique = () => `${++count}-${randomBytes(4).toString('hex')}`
const hex = (size: number): Hex => `0x${randomBytes(size).toString('hex')}`

const channelOf = async (depositMicroUsd?: bigint) =>
  (await newChannel(db, depositMicroUsd)).channelId

const pay = (channelId: Hex, cumulativeMicroUsd: bigint, amountMicroUsd = 100n) =>
  vouchers.pay(
    { channelId, challengeId: unique(), cumulativeMicroUsd, signature: hex(65) },
    { id: `exe_${unique()}`, amountMicroUsd, kind: 'execution' },
  )

test('vouchers of many sessions that come at once are all taken, and each says what its session has left', async () => {
  const channels = await Promise.all(Array.from({ length: 8 }, () => channelOf()))
  const paid = await Promise.all(
    Array.from({ length: 30 }, (_, i) => i + 1).flatMap((i) =>
      channels.map((it) => pay(it, BigInt(i) * 100n)),
    ),
  )
  for (const [i, channel] of channels.entries()) {
    const its = paid.filter((_, at) => at % channels.length === i)
    const committed = its.map((it) => it.committedMicroUsd)
    // Those of one session may be taken by two transactions, in any order.
    expect(committed.toSorted((a, b) => Number(a - b))).toEqual(
      Array.from({ length: 30 }, (_, at) => BigInt(at + 1) * 100n),
    )
    const session = await sessions.findByChannel(db, channel)
    expect(session).toMatchObject({ committedMicroUsd: 3_000n, authorizedMicroUsd: 3_000n })
  }
})

test('one that is refused, or makes no sense, takes nobody else with it', async () => {
  const [rich, poor] = [await channelOf(), await channelOf(50n)]
  const outcomes = await Promise.allSettled([
    pay(rich, 100n),
    pay(poor, 100n),
    pay(hex(32), 100n),
    pay(rich, 200n),
    pay(rich, 300n, -1n),
    pay(rich, 300n),
  ])
  expect(outcomes.map((it) => (it.status === 'fulfilled' ? 'taken' : it.reason.message))).toEqual([
    'taken',
    'The session does not pay: over_deposit.',
    'The session does not pay: unknown.',
    'taken',
    'amounts are positive',
    'taken',
  ])
  const session = await sessions.findByChannel(db, rich)
  expect(session?.committedMicroUsd).toBe(300n)
})

test('the same work that comes twice at once is paid once', async () => {
  const channelId = await channelOf()
  const spending = { id: `exe_${unique()}`, amountMicroUsd: 100n, kind: 'execution' as const }
  const voucher = {
    channelId,
    challengeId: unique(),
    cumulativeMicroUsd: 100n,
    signature: hex(65),
  }
  const both = await Promise.all([vouchers.pay(voucher, spending), vouchers.pay(voucher, spending)])
  expect(both.map((it) => it.committedMicroUsd)).toEqual([100n, 100n])
})
