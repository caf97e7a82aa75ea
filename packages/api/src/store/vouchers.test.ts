import { randomBytes } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import type { Hex } from '../Session.ts'
import { audit } from './ledgerAudit.ts'
import * as sessions from './sessions.ts'
import { testDatabase } from './testing/database.ts'
import { Vouchers } from './vouchers.ts'
import { Wallets } from './wallets.ts'

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

async function newChannel(depositMicroUsd = 1_000_000n): Promise<Hex> {
  const payer = hex(20)
  const wallets = new Wallets(db, {
    accountId: () => `acc_${unique()}`,
    sha256: () => randomBytes(32).toString('hex'),
  })
  const { accountId } = await wallets.accountOf(payer)
  const { channelId } = await sessions.begin(
    db,
    {
      sessionId: `ses_${unique()}`,
      channelId: hex(32),
      accountId,
      chainId: 1337,
      escrow: hex(20),
      payer,
      signer: payer,
      descriptor: {} as never,
      depositMicroUsd,
      authorizedMicroUsd: 0n,
      signature: hex(65),
    },
    new Date(),
  )
  await sessions.opened(db, channelId, { depositMicroUsd, openTx: null })
  return channelId
}

const pay = (channelId: Hex, cumulativeMicroUsd: bigint, amountMicroUsd = 100n) =>
  vouchers.pay(
    { channelId, challengeId: unique(), cumulativeMicroUsd, signature: hex(65) },
    { id: `exe_${unique()}`, amountMicroUsd, kind: 'execution' },
  )

test('vouchers of many sessions that come at once are all taken, and each says what its session has left', async () => {
  const channels = await Promise.all(Array.from({ length: 8 }, () => newChannel()))
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
  const [rich, poor] = [await newChannel(), await newChannel(50n)]
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
  const channelId = await newChannel()
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
