import { randomBytes } from 'node:crypto'
import { afterAll, expect, test } from 'vitest'
import type { Hex } from '../Session.ts'
import * as ledger from './ledger.ts'
import { audit } from './ledgerAudit.ts'
import * as sessions from './sessions.ts'
import { newChannel } from './testing/channel.ts'
import { testDatabase } from './testing/database.ts'

const database = await testDatabase()
const { db } = database
afterAll(async () => {
  expect(await audit(db)).toEqual([])
  await database.drop()
})

let count = 0
const unique = () => `${++count}-${randomBytes(4).toString('hex')}`
const hex = (size: number): Hex => `0x${randomBytes(size).toString('hex')}`

/** A session of which only the database knows, and how it pays: by vouchers that nobody looks at here. */
async function newSession() {
  const { channelId, accountId } = await newChannel(db)
  let cumulativeMicroUsd = 0n
  return {
    channelId,
    accountId,
    async pay(amountMicroUsd: bigint): Promise<string> {
      cumulativeMicroUsd += amountMicroUsd
      const id = `exe_${unique()}`
      await sessions.pay(
        db,
        { channelId, challengeId: unique(), cumulativeMicroUsd, signature: hex(65) },
        { id, amountMicroUsd, kind: 'execution' },
      )
      return id
    },
    committed: async () => (await sessions.findByChannel(db, channelId))?.committedMicroUsd,
  }
}

test('what is captured many at once, and released by others meanwhile, is settled once', async () => {
  const payers = await Promise.all([newSession(), newSession(), newSession()])
  const accountId = payers[0]?.accountId as string
  await ledger.grant(db, { id: unique(), accountId, amountMicroUsd: 1_000_000n })
  for (let round = 0; round < 10; round++) {
    const ids = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const payer = payers[i % 4]
        if (payer) return payer.pay(100n)
        const id = `exe_${unique()}`
        await ledger.reserve(db, { id, accountId, amountMicroUsd: 100n, kind: 'execution' })
        return id
      }),
    )
    await Promise.all([
      ledger.captureAll(db, ids.slice(0, 8)),
      ledger.captureAll(db, ids.slice(8)),
      ...ids.map((id, i) => i % 3 === 0 && ledger.release(db, id)),
      payers[0]?.pay(100n).then((id) => ledger.captureAll(db, [id])),
    ])
    const settled = await Promise.all(ids.map((id) => ledger.release(db, id)))
    for (const [i, it] of settled.entries()) {
      expect(it.replayed).toBe(true)
      expect(i % 3 === 0 ? [0n, 100n] : [100n]).toContain(it.capturedMicroUsd)
    }
  }
})

test('what was captured is captured once, and ids that nobody knows are nothing', async () => {
  const session = await newSession()
  const ids = [await session.pay(100n), await session.pay(200n)]
  for (let i = 0; i < 3; i++) await ledger.captureAll(db, [...ids, ...ids, 'exe_unknown'])
  expect(await session.committed()).toBe(300n)
  expect(await ledger.settleLost(db, ids[0] as string)).toBe(true)
})

test('a capture does not wait for whoever pays by the same session', async () => {
  const session = await newSession()
  const id = await session.pay(100n)
  await db.transaction().execute(async (tx) => {
    const voucher = {
      channelId: session.channelId,
      challengeId: unique(),
      cumulativeMicroUsd: 500n,
      signature: hex(65),
    }
    await sessions.pay(tx, voucher, { id: unique(), amountMicroUsd: 400n, kind: 'execution' })
    await ledger.captureAll(db, [id])
  })
  expect(await ledger.settleLost(db, id)).toBe(true)
  expect(await session.committed()).toBe(500n)
})
