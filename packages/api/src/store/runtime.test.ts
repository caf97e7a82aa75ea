import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, expect, test } from 'vitest'
import { type Batch, costNanoUsd, noUsage, type Usage } from '../Usage.ts'
import * as accounts from './accounts.ts'
import type { Db } from './database.ts'
import * as ledger from './ledger.ts'
import { audit } from './ledgerAudit.ts'
import * as projects from './projects.ts'
import * as receipts from './receipts.ts'
import * as runtime from './runtime.ts'
import * as suspensions from './suspensions.ts'
import { testDatabase } from './testing/database.ts'
import { testReceiptKey } from './testing/receiptKey.ts'
import * as usage from './usage.ts'

const database = await testDatabase()
const { db } = database
const key = await testReceiptKey()
afterAll(() => database.drop())

let count = 0
const newId = () => `${++count}`
const noon = new Date('2026-11-21T12:00:00Z')
const later = (ms: number) => new Date(noon.getTime() + ms)

async function accountWith(microUsd: bigint): Promise<string> {
  const { accountId } = await accounts.ensure(db, {
    accountId: `acc_${newId()}`,
    slug: `slug-${newId()}`,
    kind: 'local',
  })
  await ledger.createLedgerAccount(db, accountId)
  if (microUsd > 0n)
    await ledger.grant(db, { id: `grant_${newId()}`, accountId, amountMicroUsd: microUsd })
  return accountId
}

async function projectOf(
  accountId: string,
  it: { includedMicroUsd?: bigint; budget?: bigint; dailyBudget?: bigint } = {},
): Promise<string> {
  const projectId = `prj_${newId()}`
  await projects.add(db, {
    projectId,
    accountId,
    name: `app-${newId()}`,
    label: `label-${newId()}`,
    budgetMicroUsd: it.budget ?? null,
    dailyBudgetMicroUsd: it.dailyBudget ?? null,
    ttlHours: null,
    expiresAt: null,
  })
  const deploymentId = `dep_${newId()}`
  await sql`insert into deployment values (${deploymentId}, ${projectId}, '{}', '', 0)`.execute(db)
  await sql`update project set live_deployment_id = ${deploymentId} where project_id = ${projectId}`.execute(
    db,
  )
  await runtime.include(db, projectId, it.includedMicroUsd ?? 0n, deploymentId)
  return projectId
}

let numbers = 0
const batch = (counted: Record<string, Partial<Usage>>, at = noon, number = ++numbers): Batch => ({
  server: 'test',
  number,
  at,
  counted: new Map(
    Object.entries(counted).map(([projectId, it]) => [projectId, { ...noUsage, ...it }]),
  ),
})

const store = (counted: Record<string, Partial<Usage>>, at?: Date) =>
  usage.store(db, batch(counted, at))
const receiptsOf = async (accountId: string) =>
  (await receipts.list(db, key, { accountId, order: 'desc', limit: 50 })).receipts
const available = async (accountId: string) =>
  (await ledger.balanceOf(db, accountId)).availableMicroUsd
const charge = (now = noon) => runtime.chargeDue(db, `run_${newId()}`, { now })
const charged = (projectId: string) => ledger.spentSince(db, { projectId }, new Date(0))
const suspensionOf = async (projectId: string) =>
  (await projects.findById(db, projectId))?.suspension?.code ?? null

/** Two thousand requests cost a thousandth of a dollar: 1,000 micro-USD. */
const requests = (microUsd: number) => ({ requests: microUsd * 2 })

test('what was used is pending at once, and charged in whole micro-USD with its period', async () => {
  const accountId = await accountWith(1_000_000n)
  const projectId = await projectOf(accountId)
  await store({ [projectId]: { requests: 3, cpuUs: 10 } })
  expect(await runtime.read(db, projectId, noon)).toMatchObject({ pendingNanoUsd: 1_625n })
  expect(await available(accountId)).toBe(1_000_000n)
  await store({ [projectId]: { requests: 1 } }, later(1_000))
  await charge(later(10_000))
  expect(await available(accountId)).toBe(999_998n)
  expect(await runtime.read(db, projectId, noon)).toMatchObject({
    pendingNanoUsd: 125n,
    spentNanoUsd: 2_125n,
  })
  expect((await receiptsOf(accountId))[0]).toMatchObject({
    reason: 'runtime',
    amount_usd: '-0.000002',
    project_id: projectId,
    period: { from: '2026-11-21T12:00:00Z', until: '2026-11-21T12:00:10Z' },
    detail: {
      requests: 4,
      cpu_us: 10,
      rows_read: 0,
      rows_written: 0,
      included_nano_usd: '0',
      carried_in_nano_usd: '0',
      carried_out_nano_usd: '125',
    },
  })
})

test('many batches make one entry in the ledger', async () => {
  const accountId = await accountWith(1_000_000n)
  const projectId = await projectOf(accountId)
  for (let i = 0; i < 20; i++) await store({ [projectId]: requests(5) }, later(i * 500))
  await charge(later(10_000))
  expect(await available(accountId)).toBe(999_900n)
  const entries = await receiptsOf(accountId)
  expect(entries.map((it) => it.reason)).toEqual(['runtime', 'grant'])
})

test('included runtime is used first, and what is left of it stays', async () => {
  const accountId = await accountWith(1_000_000n)
  const projectId = await projectOf(accountId, { includedMicroUsd: 10n })
  await store({ [projectId]: requests(4) })
  await charge()
  expect(await available(accountId)).toBe(1_000_000n)
  await runtime.include(db, projectId, 10n, newId())
  await store({ [projectId]: requests(20) })
  await charge()
  expect(await available(accountId)).toBe(999_996n)
  expect(await runtime.read(db, projectId, noon)).toMatchObject({
    includedMicroUsd: 20n,
    includedUsedNanoUsd: 20_000n,
    spentNanoUsd: 4_000n,
  })
})

test('a batch that comes again is stored once', async () => {
  const accountId = await accountWith(1_000_000n)
  const projectId = await projectOf(accountId)
  const it = batch({ [projectId]: requests(7) })
  await Promise.all([usage.store(db, it), usage.store(db, it), usage.store(db, it)])
  await usage.store(db, it)
  await charge()
  expect(await available(accountId)).toBe(999_993n)
  const [read] = await usage.read(db, projectId, 'minute', noon)
  expect(read?.requests).toBe(14)
})

test('at zero every project of the account that lives off it is suspended in the same transaction', async () => {
  const accountId = await accountWith(100n)
  const [busy, idle, deployed] = await Promise.all([
    projectOf(accountId),
    projectOf(accountId),
    projectOf(accountId, { includedMicroUsd: 10_000n }),
  ])
  const stranger = await projectOf(await accountWith(100n))
  expect(await store({ [busy]: requests(99), [stranger]: requests(10) })).toEqual([])
  expect((await store({ [busy]: requests(3) })).sort()).toEqual([busy, idle].sort())
  expect(await available(accountId)).toBe(0n)
  expect(await charged(busy)).toBe(100n)
  expect(await Promise.all([busy, idle, deployed, stranger].map(suspensionOf))).toEqual([
    'balance',
    'balance',
    null,
    null,
  ])
  // What was used beyond the last of it is owed.
  expect((await projects.findById(db, busy))?.suspension?.evidence).toEqual({
    owed_nano_usd: 2_000,
  })
  // The other runs as long as it has runtime of its own.
  expect(await store({ [deployed]: requests(9_999) })).toEqual([])
  expect(await store({ [deployed]: requests(1) })).toEqual([deployed])
  expect(await available(accountId)).toBe(0n)
})

test('what was owed is paid first by what is added, and less than that resumes nothing', async () => {
  const accountId = await accountWith(10n)
  const projectId = await projectOf(accountId)
  await store({ [projectId]: requests(30) })
  expect(await suspensionOf(projectId)).toBe('balance')
  const add = (amountMicroUsd: bigint) =>
    ledger.grant(db, { id: `grant_${newId()}`, accountId, amountMicroUsd })
  await add(20n)
  expect(await suspensions.resume(db, noon, { accountId })).toEqual([])
  await add(1n)
  expect((await suspensions.resume(db, noon, { accountId })).map((it) => it.projectId)).toEqual([
    projectId,
  ])
  await charge()
  expect(await available(accountId)).toBe(1n)
  expect(await suspensionOf(projectId)).toBe(null)
})

test('a budget suspends its project only, and holds until it is raised or taken away', async () => {
  const accountId = await accountWith(1_000_000n)
  const projectId = await projectOf(accountId, { budget: 50n })
  const other = await projectOf(accountId)
  expect(await store({ [projectId]: requests(49), [other]: requests(500) })).toEqual([])
  expect(await store({ [projectId]: requests(2) })).toEqual([projectId])
  expect((await projects.findById(db, projectId))?.suspension).toEqual({
    code: 'budget',
    since: noon,
    evidence: { budget: 'total', limit_micro_usd: 50, spent_nano_usd: 51_000 },
  })
  expect(await suspensions.resume(db, later(86_400_000))).toEqual([])
  await projects.change(db, projectId, { budgetMicroUsd: 51n })
  expect(await suspensions.resume(db, noon)).toEqual([])
  await projects.change(db, projectId, { budgetMicroUsd: 52n })
  expect(await suspensions.resume(db, noon)).toHaveLength(1)
  expect(await store({ [projectId]: requests(1) })).toEqual([projectId])
  await projects.change(db, projectId, { budgetMicroUsd: null })
  expect(await suspensions.resume(db, noon, { projectId })).toHaveLength(1)
  expect(await store({ [projectId]: requests(1_000) })).toEqual([])
})

test('a daily budget ends with its day in UTC', async () => {
  const accountId = await accountWith(1_000_000n)
  const projectId = await projectOf(accountId, { dailyBudget: 50n })
  const night = new Date('2026-11-21T23:59:59.900Z')
  expect(await store({ [projectId]: requests(40) }, noon)).toEqual([])
  expect(await store({ [projectId]: requests(10) }, night)).toEqual([projectId])
  expect(await suspensions.resume(db, night, { projectId })).toEqual([])
  const midnight = new Date('2026-11-22T00:00:00Z')
  expect(await suspensions.resume(db, midnight, { projectId })).toHaveLength(1)
  expect(await store({ [projectId]: requests(49) }, midnight)).toEqual([])
  expect(await runtime.read(db, projectId, midnight)).toMatchObject({
    spentTodayNanoUsd: 49_000n,
    spentNanoUsd: 99_000n,
  })
  expect(await store({ [projectId]: requests(1) }, midnight)).toEqual([projectId])
})

test('a budget of nothing allows what is included, and nothing beyond', async () => {
  const accountId = await accountWith(1_000_000n)
  const projectId = await projectOf(accountId, { budget: 0n, includedMicroUsd: 10n })
  expect(await store({ [projectId]: requests(10) })).toEqual([])
  expect(await store({ [projectId]: requests(1) })).toEqual([projectId])
})

test('usage of a project that is gone is dropped, and the rest of its batch is not', async () => {
  const accountId = await accountWith(1_000_000n)
  const projectId = await projectOf(accountId)
  const gone = await projectOf(accountId)
  await projects.remove(db, gone)
  expect(await store({ [gone]: requests(9), [projectId]: requests(3) })).toEqual([])
  await charge()
  expect(await available(accountId)).toBe(999_997n)
})

test('however usage comes and whatever happens meanwhile, every nano-dollar of it is in one place', async () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({
        do: fc.constant('use' as const),
        project: fc.nat(1),
        requests: fc.nat(200),
        cpuUs: fc.nat(2_000).map((it) => it * 10),
        rowsWritten: fc.nat(50),
        again: fc.boolean(),
      }),
      fc.record({ do: fc.constant('charge' as const) }),
      fc.record({ do: fc.constant('fund' as const), microUsd: fc.bigInt({ min: 1n, max: 500n }) }),
      fc.record({ do: fc.constant('deploy' as const), project: fc.nat(1) }),
    ),
    { maxLength: 25 },
  )
  await fc.assert(
    fc.asyncProperty(steps, fc.bigInt({ min: 0n, max: 300n }), async (all, initial) => {
      const accountId = await accountWith(initial)
      const ids = [await projectOf(accountId), await projectOf(accountId)] as const
      const used = [0n, 0n]
      let funded = initial
      for (const step of all) {
        if (step.do === 'use') {
          const { requests, cpuUs, rowsWritten } = step
          const it = batch({ [ids[step.project] as string]: { requests, cpuUs, rowsWritten } })
          await usage.store(db, it)
          if (step.again) await usage.store(db, it)
          used[step.project] =
            (used[step.project] as bigint) +
            costNanoUsd({ ...noUsage, requests, cpuUs, rowsWritten })
        } else if (step.do === 'charge') await charge()
        else if (step.do === 'deploy')
          await runtime.include(db, ids[step.project] as string, 100n, newId())
        else {
          funded += step.microUsd
          await ledger.grant(db, {
            id: `grant_${newId()}`,
            accountId,
            amountMicroUsd: step.microUsd,
          })
          await suspensions.resume(db, noon, { accountId })
        }
      }
      let paid = 0n
      for (const [i, projectId] of ids.entries()) {
        const it = await runtime.read(db, projectId, noon)
        const chargedNow = await charged(projectId)
        paid += chargedNow
        expect(chargedNow * 1_000n + it.pendingNanoUsd + it.includedUsedNanoUsd).toBe(used[i])
        expect(it.includedUsedNanoUsd).toBeLessThanOrEqual(it.includedMicroUsd * 1_000n)
      }
      expect(await available(accountId)).toBe(funded - paid)
      // Whoever owes does not run, unless a deploy brought runtime along.
      const pending = await runtime.pendingOf(db, accountId)
      if ((await available(accountId)) * 1_000n <= pending && pending > 0n) {
        for (const projectId of ids) {
          const it = await runtime.read(db, projectId, noon)
          if (it.includedUsedNanoUsd === it.includedMicroUsd * 1_000n)
            expect(await suspensionOf(projectId)).toBe('balance')
        }
      }
    }),
    { numRuns: 40 },
  )
  expect(await audit(db)).toEqual([])
}, 120_000)

test('money that comes while the last of it is used leaves no app suspended that could run', async () => {
  for (let round = 0; round < 15; round++) {
    const accountId = await accountWith(10n)
    const projectId = await projectOf(accountId)
    await Promise.all([
      store({ [projectId]: requests(12) }),
      ledger
        .grant(db, { id: `grant_${newId()}`, accountId, amountMicroUsd: 1_000n })
        .then(() => suspensions.resume(db, noon, { accountId })),
      charge(),
    ])
    expect(await suspensionOf(projectId)).toBe(null)
    await charge()
    expect(await available(accountId)).toBe(998n)
  }
  expect(await audit(db)).toEqual([])
})

test('batches of several servers, charges, deploys and deletions at once block nobody for good', async () => {
  const accountId = await accountWith(2_000n)
  const ids = await Promise.all(Array.from({ length: 8 }, () => projectOf(accountId)))
  const gone = await Promise.all(Array.from({ length: 8 }, () => projectOf(accountId)))
  const from = (server: string) =>
    Array.from({ length: 20 }, (_, i) => ({
      ...batch(Object.fromEntries([...ids, ...gone].map((id) => [id, requests(1)]))),
      server,
      number: i + 1,
    }))
  // As the meter does: a batch that met a deletion comes again.
  const inTurn = async (batches: Batch[]) => {
    for (const it of batches) await usage.store(db, it).catch(() => usage.store(db, it))
  }
  const deploying = async (tx: Db, projectId: string) => {
    await projects.lock(tx, projectId)
    await runtime.include(tx, projectId, 1n, newId())
    await projects.change(tx, projectId, { status: 'active' })
    await ledger.charge(tx, {
      id: newId(),
      accountId,
      amountMicroUsd: 1n,
      kind: 'deploy',
      partial: true,
    })
  }
  await Promise.all([
    inTurn(from('one')),
    inTurn(from('two')),
    ...ids.map((id) => db.transaction().execute((tx) => deploying(tx, id))),
    ...gone.map((id) => projects.remove(db, id)),
    ...Array.from({ length: 10 }, () => charge()),
  ])
  expect(await audit(db)).toEqual([])
}, 60_000)

test('old minutes become hours, and add up to the same', async () => {
  const accountId = await accountWith(1_000_000n)
  const projectId = await projectOf(accountId)
  const at = (text: string) => new Date(`2026-11-10T${text}Z`)
  await store({ [projectId]: { requests: 1, cpuUs: 10, latency: [1, 2] } }, at('07:00:30'))
  await store({ [projectId]: { requests: 2, rowsRead: 5, latency: [0, 0, 7] } }, at('07:20:00'))
  await store({ [projectId]: { requests: 3, egressBytes: 9 } }, at('07:59:59'))
  await store({ [projectId]: { requests: 4 } }, at('08:30:00'))
  await store({ [projectId]: { requests: 5, errors: 5 } }, at('09:30:00'))
  const before = await usage.read(db, projectId, 'hour', at('00:00:00'))
  const roll = () => usage.roll(db, at('09:00:00'), new Date('2026-11-01T00:00:00Z'))
  await roll()
  await roll()
  expect(await usage.read(db, projectId, 'hour', at('00:00:00'))).toEqual(before)
  const minutes = await usage.read(db, projectId, 'minute', at('00:00:00'))
  expect(minutes.map((it) => [it.at.toISOString().slice(11, 16), it.requests])).toEqual([
    ['07:00', 6],
    ['08:00', 4],
    ['09:30', 5],
  ])
  expect(minutes[0]?.latency).toEqual([1, 2, 7])
  await usage.roll(db, at('09:00:00'), at('09:00:00'))
  expect(await usage.read(db, projectId, 'hour', at('00:00:00'))).toHaveLength(1)
})
