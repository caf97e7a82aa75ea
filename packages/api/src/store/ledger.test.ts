import { fromUsd } from '@jackcloud/sdk/wire'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, expect, test } from 'vitest'
import * as accounts from './accounts.ts'
import type { Db } from './database.ts'
import * as idempotency from './idempotency.ts'
import * as ledger from './ledger.ts'
import { audit } from './ledgerAudit.ts'
import * as receipts from './receipts.ts'
import { testDatabase } from './testing/database.ts'
import { testReceiptKey } from './testing/receiptKey.ts'

const database = await testDatabase()
const { db } = database
const key = await testReceiptKey()
afterAll(() => database.drop())

let count = 0
const newId = () => `id_${++count}`

async function accountWith(microUsd: bigint): Promise<string> {
  const accountId = `acc_${newId()}`
  await ledger.createLedgerAccount(db, accountId)
  if (microUsd > 0n)
    await ledger.grant(db, { id: newId(), accountId, amountMicroUsd: microUsd, ref: 'welcome' })
  return accountId
}

const balance = async (accountId: string) => {
  const it = await ledger.balanceOf(db, accountId)
  return [it.availableMicroUsd, it.heldMicroUsd]
}

/** The account's receipts, newest first. */
const receiptsOf = async (accountId: string) =>
  (await receipts.list(db, key, { accountId, order: 'desc', limit: 500 })).receipts

const shown = async (accountId: string) =>
  (await receiptsOf(accountId)).map((it) => [
    it.reason,
    fromUsd(it.amount_usd),
    fromUsd(it.balance_usd ?? ''),
    it.ref,
  ])

test('what is reserved is held, what is captured is gone, and the rest is available again', async () => {
  const accountId = await accountWith(1_000_000n)
  const id = newId()
  await ledger.reserve(db, { id, accountId, amountMicroUsd: 60_000n, kind: 'deploy' })
  expect(await balance(accountId)).toEqual([940_000n, 60_000n])
  expect(await ledger.capture(db, { id, amountMicroUsd: 50_000n, ref: 'dep_1' })).toEqual({
    reservedMicroUsd: 60_000n,
    capturedMicroUsd: 50_000n,
    availableMicroUsd: 950_000n,
    replayed: false,
  })
  expect(await balance(accountId)).toEqual([950_000n, 0n])
  expect(await shown(accountId)).toEqual([
    ['deploy', -50_000n, 950_000n, 'dep_1'],
    ['grant', 1_000_000n, 1_000_000n, 'welcome'],
  ])
})

test('a released reservation leaves no trace in the receipts', async () => {
  const accountId = await accountWith(100n)
  const id = newId()
  await ledger.reserve(db, { id, accountId, amountMicroUsd: 100n, kind: 'execution' })
  expect((await ledger.release(db, id)).capturedMicroUsd).toBe(0n)
  expect(await balance(accountId)).toEqual([100n, 0n])
  expect(await shown(accountId)).toEqual([['grant', 100n, 100n, 'welcome']])
})

test('every step sent again changes nothing and tells so', async () => {
  const accountId = await accountWith(0n)
  const steps = {
    grant: () => ledger.grant(db, { id: `${accountId}g`, accountId, amountMicroUsd: 1_000n }),
    fund: () =>
      ledger.grant(db, { id: `${accountId}f`, accountId, amountMicroUsd: 500n, kind: 'fund' }),
    reserve: () =>
      ledger.reserve(db, { id: `${accountId}r`, accountId, amountMicroUsd: 30n, kind: 'deploy' }),
    capture: () => ledger.capture(db, { id: `${accountId}r`, amountMicroUsd: 20n }),
    charge: () =>
      ledger.charge(db, { id: `${accountId}c`, accountId, amountMicroUsd: 7n, kind: 'execution' }),
    refund: () => ledger.refund(db, { id: `${accountId}b`, chargeId: `${accountId}c` }),
    withdraw: () => ledger.withdraw(db, { id: `${accountId}w`, accountId, amountMicroUsd: 100n }),
  }
  for (const step of Object.values(steps)) expect(await step()).toMatchObject({ replayed: false })
  for (const step of Object.values(steps)) expect(await step()).toMatchObject({ replayed: true })
  expect(await balance(accountId)).toEqual([1_380n, 0n])
  expect(await shown(accountId)).toEqual([
    ['withdrawal', -100n, 1_380n, null],
    ['refund', 7n, 1_480n, null],
    ['execution', -7n, 1_473n, null],
    ['deploy', -20n, 1_480n, null],
    ['fund', 500n, 1_500n, null],
    ['grant', 1_000n, 1_000n, null],
  ])
})

test('an id that was used for something else is a conflict', async () => {
  const accountId = await accountWith(1_000n)
  const id = newId()
  const it = { id, accountId, amountMicroUsd: 10n, kind: 'execution' } as const
  await ledger.reserve(db, it)
  const conflict = { code: 'idempotency_conflict' }
  await expect(ledger.reserve(db, { ...it, amountMicroUsd: 11n })).rejects.toMatchObject(conflict)
  await expect(ledger.reserve(db, { ...it, kind: 'deploy' })).rejects.toMatchObject(conflict)
  await expect(ledger.charge(db, it)).rejects.toMatchObject(conflict)
  const other = await accountWith(1_000n)
  await expect(ledger.reserve(db, { ...it, accountId: other })).rejects.toMatchObject(conflict)
  await ledger.capture(db, { id, amountMicroUsd: 4n })
  await expect(ledger.capture(db, { id })).rejects.toMatchObject({ code: 'conflict' })
  expect(await balance(accountId)).toEqual([996n, 0n])
})

test('too little balance is refused with what there is and what is needed, and the transaction goes on', async () => {
  const accountId = await accountWith(9_999n)
  await db.transaction().execute(async (tx) => {
    const it = { id: newId(), accountId, amountMicroUsd: 10_000n, kind: 'execution' } as const
    for (const step of [ledger.reserve, ledger.charge])
      await expect(step(tx, it)).rejects.toMatchObject({
        code: 'insufficient_balance',
        message: 'This costs $0.010000, and the balance is $0.009999.',
        fields: { balance_usd: '0.009999', required_usd: '0.010000' },
      })
    expect(await ledger.charge(tx, { ...it, partial: true })).toEqual({
      chargedMicroUsd: 9_999n,
      availableMicroUsd: 0n,
      replayed: false,
    })
  })
  expect(await balance(accountId)).toEqual([0n, 0n])
})

test("a step in a transaction of the caller's is undone with it", async () => {
  const accountId = await accountWith(100n)
  const id = newId()
  await ledger.reserve(db, { id, accountId, amountMicroUsd: 100n, kind: 'deploy' })
  await db
    .transaction()
    .execute(async (tx) => {
      await ledger.capture(tx, { id })
      throw new Error('the other half failed')
    })
    .catch(() => {})
  expect(await balance(accountId)).toEqual([0n, 100n])
  expect((await ledger.release(db, id)).replayed).toBe(false)
})

test('a reservation that many want to capture and release at once is settled once', async () => {
  for (let round = 0; round < 10; round++) {
    const accountId = await accountWith(100n)
    const id = newId()
    await ledger.reserve(db, { id, accountId, amountMicroUsd: 100n, kind: 'execution' })
    const settled = await Promise.allSettled(
      Array.from({ length: 16 }, (_, i) =>
        i % 2 ? ledger.capture(db, { id }) : ledger.release(db, id),
      ),
    )
    const first = settled.filter((it) => it.status === 'fulfilled' && !it.value.replayed)
    expect(first).toHaveLength(1)
    const [available, held] = await balance(accountId)
    expect([0n, 100n]).toContain(available)
    expect(held).toBe(0n)
    const after = await ledger.release(db, id)
    expect(after.capturedMicroUsd).toBe(100n - (available as bigint))
  }
})

test('a thousand payments at once take exactly what is there', async () => {
  const accountId = await accountWith(600n)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 1_000 }, (_, i) =>
      ledger.charge(db, {
        id: newId(),
        accountId,
        amountMicroUsd: 1n,
        kind: i % 2 ? 'execution' : 'runtime',
      }),
    ),
  )
  expect(outcomes.filter((it) => it.status === 'fulfilled')).toHaveLength(600)
  expect(await balance(accountId)).toEqual([0n, 0n])
})

test('the same payment sent by many at once happens once', async () => {
  const accountId = await accountWith(600n)
  const it = { id: newId(), accountId, amountMicroUsd: 100n, kind: 'execution' } as const
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => ledger.charge(db, it)))
  expect(outcomes.filter((outcome) => !outcome.replayed)).toHaveLength(1)
  expect(await balance(accountId)).toEqual([500n, 0n])
})

test('a token spends at most its daily cap, also at once, and what is released counts no more', async () => {
  const accountId = await accountWith(1_000n)
  const token = { tokenId: newId(), dailyCapMicroUsd: 100n }
  const ids = Array.from({ length: 30 }, newId)
  const outcomes = await Promise.allSettled(
    ids.map((id) =>
      ledger.reserve(db, { id, accountId, amountMicroUsd: 10n, kind: 'execution', token }),
    ),
  )
  const reserved = ids.filter((_, i) => outcomes[i]?.status === 'fulfilled')
  expect(reserved).toHaveLength(10)
  expect(await ledger.spentToday(db, token.tokenId)).toBe(100n)

  const charge = { id: newId(), accountId, amountMicroUsd: 15n, kind: 'execution', token } as const
  await expect(ledger.charge(db, charge)).rejects.toMatchObject({
    code: 'budget_exceeded',
    fields: { daily_cap_usd: '0.000100', required_usd: '0.000015' },
  })
  await ledger.release(db, reserved[0] as string)
  await ledger.capture(db, { id: reserved[1] as string, amountMicroUsd: 5n })
  await ledger.charge(db, charge)
  expect(await ledger.spentToday(db, token.tokenId)).toBe(100n)
  // Without this token's cap the account has enough.
  await ledger.charge(db, { ...charge, id: newId(), token: null })
})

test('refunds never exceed what was charged', async () => {
  const accountId = await accountWith(100n)
  const chargeId = newId()
  await ledger.charge(db, {
    id: chargeId,
    accountId,
    amountMicroUsd: 60n,
    kind: 'deploy',
    ref: 'dep',
  })
  await ledger.refund(db, { id: newId(), chargeId, amountMicroUsd: 20n })
  const more = [41n, undefined].map((amount) =>
    ledger.refund(db, { id: newId(), chargeId, ...(amount ? { amountMicroUsd: amount } : {}) }),
  )
  for (const it of await Promise.allSettled(more))
    expect(it).toMatchObject({ status: 'rejected', reason: { code: 'conflict' } })
  await ledger.refund(db, { id: newId(), chargeId, amountMicroUsd: 40n })
  expect(await balance(accountId)).toEqual([100n, 0n])
  expect((await shown(accountId))[0]).toEqual(['refund', 40n, 100n, 'dep'])
})

test('what a crash left reserved is released when it is old enough', async () => {
  const accountId = await accountWith(100n)
  const [abandoned, settled] = [newId(), newId()]
  await ledger.reserve(db, { id: abandoned, accountId, amountMicroUsd: 10n, kind: 'execution' })
  await ledger.reserve(db, { id: settled, accountId, amountMicroUsd: 10n, kind: 'execution' })
  await ledger.capture(db, { id: settled })
  expect(await ledger.settleAbandoned(db, 60_000)).toEqual([])
  const both = await Promise.all([1, 2].map(() => ledger.settleAbandoned(db, -1_000)))
  expect(both.flat().filter((id) => id === abandoned)).toHaveLength(1)
  expect(await balance(accountId)).toEqual([90n, 0n])
})

test('what was abandoned although its answer is kept is taken: whoever asks again gets it', async () => {
  const accountId = await accountWith(100n)
  await accounts.ensure(db, { accountId, slug: accountId, kind: 'wallet' })
  const [answered, underWay] = [newId(), newId()]
  for (const id of [answered, underWay]) {
    await idempotency.begin(db, accountId, id, 'the request', id)
    await ledger.reserve(db, { id, accountId, amountMicroUsd: 10n, kind: 'execution' })
  }
  const answer = { status: 200, body: '{}', receipt: null }
  await idempotency.finish(db, accountId, answered, answer)
  await ledger.settleAbandoned(db, -1_000)
  expect(await balance(accountId)).toEqual([90n, 0n])
  expect(await ledger.settleLost(db, answered)).toBe(true)
  expect(await ledger.settleLost(db, underWay)).toBe(false)
})

test('receipts come in pages, newest first, none twice and none left out', async () => {
  const accountId = await accountWith(100n)
  for (let i = 0; i < 10; i++)
    await ledger.charge(db, {
      id: newId(),
      accountId,
      amountMicroUsd: 1n,
      kind: 'execution',
      ref: `exe_${i}`,
      projectId: i % 2 ? 'prj_odd' : null,
    })
  const refs: (string | null)[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await receipts.list(db, key, { accountId, order: 'desc', limit: 3, cursor })
    refs.push(...page.receipts.map((it) => it.ref))
    if (page.nextCursor === null) break
    cursor = page.nextCursor
  }
  expect(refs).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((i) => `exe_${i}`).concat('welcome'))
  const all = { accountId, order: 'asc', limit: 50 } as const
  const ofProject = await receipts.list(db, key, { ...all, projectId: 'prj_odd' })
  expect(ofProject.receipts.map((it) => it.ref)).toEqual([1, 3, 5, 7, 9].map((i) => `exe_${i}`))
  const yesterday = new Date(Date.now() - 86_400_000)
  expect(await ledger.spentSince(db, { accountId }, yesterday)).toBe(10n)
  expect(await ledger.spentSince(db, { projectId: 'prj_odd' }, yesterday)).toBe(5n)
  await expect(receipts.list(db, key, { ...all, cursor: 'x' })).rejects.toMatchObject({
    code: 'invalid_request',
  })
})

test('transfers cannot be changed or removed', async () => {
  await accountWith(1n)
  for (const statement of [
    'update ledger_transfer set amount_micro_usd = 2',
    'delete from ledger_transfer',
    'truncate ledger_transfer cascade',
  ])
    await expect(sql.raw(statement).execute(db)).rejects.toThrow('append-only')
})

test('amounts that are not positive are refused before anything happens', async () => {
  const accountId = await accountWith(10n)
  for (const amountMicroUsd of [0n, -1n])
    await expect(
      ledger.charge(db, { id: newId(), accountId, amountMicroUsd, kind: 'execution' }),
    ).rejects.toThrow(RangeError)
})

test('the audit finds what was tampered with', async () => {
  await using tampered = await testDatabase()
  const it = { id: 'r', accountId: 'acc', amountMicroUsd: 10n, kind: 'execution' } as const
  await ledger.createLedgerAccount(tampered.db, 'acc')
  await ledger.grant(tampered.db, { ...it, id: 'g', amountMicroUsd: 100n, kind: 'grant' })
  await ledger.reserve(tampered.db, { ...it, token: { tokenId: 'tok', dailyCapMicroUsd: null } })
  await ledger.charge(tampered.db, { ...it, id: 'c' })
  await ledger.refund(tampered.db, { id: 'b', chargeId: 'c' })
  expect(await audit(tampered.db)).toEqual([])
  await sql`alter table ledger_transfer disable trigger ledger_transfer_stays`.execute(tampered.db)
  const found = async (statement: string) => {
    const undo = new Error('undo')
    let rules: string[] = []
    await tampered.db
      .transaction()
      .execute(async (tx) => {
        await sql.raw(statement).execute(tx)
        rules = (await audit(tx)).map((one) => `${one.rule}: ${one.subject}`)
        throw undo
      })
      .catch((error) => expect(error).toBe(undo))
    return rules
  }
  expect(await found('update ledger_account set available_micro_usd = 1')).toEqual([
    'an account has what its transfers add up to: acc',
  ])
  expect(await found("delete from ledger_reservation where reservation_id = 'r'")).toEqual([
    'what is held is what open reservations add up to: acc',
    'a transfer of held money has its reservation: r:reserve',
    'a token has spent on a day what its payments add up to: tok',
  ])
  expect(
    await found("update ledger_transfer set balance_after_micro_usd = 1 where transfer_id = 'c'"),
  ).toEqual(['the balance after a transfer is the sum up to it: c'])
  expect(
    await found("update ledger_transfer set amount_micro_usd = 11 where transfer_id = 'b'"),
  ).toContain('refunds do not exceed their charge: c')
  expect(
    await found('update ledger_reservation set captured_micro_usd = 1, settled_at = now()'),
  ).toContain('a reservation has exactly its transfers: r')
})

/** One step of a random history: which, on which account and id, how much. */
type Step = [name: keyof typeof steps, account: number, id: number, amount: number]

const steps = {
  grant: (db: Db, accountId: string, id: string, amountMicroUsd: bigint) =>
    ledger.grant(db, { id: `g${id}`, accountId, amountMicroUsd }),
  reserve: (db: Db, accountId: string, id: string, amountMicroUsd: bigint) =>
    ledger.reserve(db, {
      id,
      accountId,
      amountMicroUsd,
      kind: 'execution',
      token: capped(accountId),
    }),
  capture: (db: Db, _: string, id: string, amountMicroUsd: bigint) =>
    ledger.capture(db, { id, amountMicroUsd }),
  captureWhole: (db: Db, _: string, id: string) => ledger.capture(db, { id }),
  captureAll: (db: Db, _: string, id: string) =>
    ledger.captureAll(
      db,
      [0, 1, 2, 3, 4, 5].map((it) => id.replace(/\d$/, `${it}`)),
    ),
  release: (db: Db, _: string, id: string) => ledger.release(db, id),
  charge: (db: Db, accountId: string, id: string, amountMicroUsd: bigint) =>
    ledger.charge(db, { id, accountId, amountMicroUsd, kind: 'deploy', token: capped(accountId) }),
  chargePart: (db: Db, accountId: string, id: string, amountMicroUsd: bigint) =>
    ledger.charge(db, { id, accountId, amountMicroUsd, kind: 'runtime', partial: true }),
  refund: (db: Db, _: string, id: string, amountMicroUsd: bigint) =>
    ledger.refund(db, { id: `b${id}:${amountMicroUsd}`, chargeId: id, amountMicroUsd }),
  withdraw: (db: Db, accountId: string, id: string, amountMicroUsd: bigint) =>
    ledger.withdraw(db, { id: `w${id}`, accountId, amountMicroUsd }),
}
const capped = (accountId: string) => ({ tokenId: `tok_${accountId}`, dailyCapMicroUsd: 60n })

const history = fc.array(
  fc.tuple(
    fc.constantFrom(...(Object.keys(steps) as (keyof typeof steps)[])),
    fc.nat({ max: 1 }),
    fc.nat({ max: 5 }),
    fc.integer({ min: 1, max: 40 }),
  ) satisfies fc.Arbitrary<Step>,
  { minLength: 5, maxLength: 30 },
)

/** Whether every step either happened or was refused for a reason that a caller can meet. */
const refusals = /^(insufficient_balance|budget_exceeded|idempotency_conflict|conflict)$/
async function attempt(step: Step, round: string): Promise<void> {
  const [name, account, id, amount] = step
  await steps[name](db, `${round}a${account}`, `${round}i${id}`, BigInt(amount)).catch((error) => {
    if (refusals.test(error.code) || /There is no|cannot capture/.test(error.message)) return
    throw error
  })
}

async function totals(round: string) {
  const accounts = [`${round}a0`, `${round}a1`]
  return Promise.all(
    accounts.map(async (accountId) => {
      const it = await ledger.balanceOf(db, accountId)
      const entries = await receiptsOf(accountId)
      const moved = entries.reduce((sum, entry) => sum + fromUsd(entry.amount_usd), 0n)
      expect(it.availableMicroUsd + it.heldMicroUsd).toBe(moved)
      expect(it.availableMicroUsd >= 0n && it.heldMicroUsd >= 0n).toBe(true)
      expect((await ledger.spentToday(db, `tok_${accountId}`)) <= 60n).toBe(true)
      return { ...it, entries }
    }),
  )
}

test('whatever happens in whatever order, alone or at once, the books balance and replays change nothing', async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.boolean(), async (drawn, atOnce) => {
      const round = newId()
      for (const account of ['a0', 'a1']) await ledger.createLedgerAccount(db, round + account)
      if (atOnce) await Promise.all(drawn.map((step) => attempt(step, round)))
      else for (const step of drawn) await attempt(step, round)
      const before = await totals(round)
      expect(await audit(db)).toEqual([])
      // What happened once does not happen again, and what is refused now leaves nothing either.
      const { rows } = await sql<{ transfer_id: string }>`
        select transfer_id from ledger_transfer where starts_with(transfer_id, ${round})`.execute(
        db,
      )
      const done = new Set(rows.map((row) => row.transfer_id))
      for (const step of drawn) if (done.has(`${round}i${step[2]}`)) await attempt(step, round)
      for (const [i, account] of (await totals(round)).entries())
        for (const entry of before[i]?.entries ?? []) expect(account.entries).toContainEqual(entry)
      expect(await audit(db)).toEqual([])
    }),
    { numRuns: 60 },
  )
})
