import { readdirSync, readFileSync } from 'node:fs'
import { verifyBill } from '@jackcloud/sdk/wire'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import * as deployments from './deployments.ts'
import { EnvStore } from './env.ts'
import * as ledger from './ledger.ts'
import { audit } from './ledgerAudit.ts'
import * as logs from './logs.ts'
import { migrate } from './migrate.ts'
import { migrations } from './migrations/index.ts'
import * as projects from './projects.ts'
import { billOf } from './testing/bill.ts'
import { testDatabase } from './testing/database.ts'
import { testReceiptKey } from './testing/receiptKey.ts'
import * as usage from './usage.ts'

const released = new URL('testing/released/', import.meta.url)
const files = readdirSync(released)

/** A database as a release left it, brought up to date. */
async function upgraded(file: string) {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const { db } = database
  await sql`drop schema public cascade; create schema public`.execute(db)
  await sql.raw(readFileSync(new URL(file, released), 'utf8')).execute(db)
  return { db, applied: await migrate(db) }
}

test.each(files)(
  'the database of release %s is brought up to date, and all is there',
  async (file) => {
    const { db, applied } = await upgraded(file)
    const last = file.replace('.sql', '')
    expect(applied).toEqual(Object.keys(migrations).filter((name) => name.slice(0, 4) > last))

    expect(await projects.find(db, 'acc_1', 'api')).toMatchObject({
      projectId: 'prj_1',
      status: 'active',
      liveDeploymentId: 'dep_2',
      budgetMicroUsd: 2_500_000n,
      ttlHours: null,
      suspension: null,
    })
    expect(await projects.find(db, 'acc_1', 'brief')).toMatchObject({
      status: 'expired',
      ttlHours: 24,
    })
    expect((await projects.find(db, 'acc_2', 'empty'))?.expiresAt).toEqual(new Date('2099-01-01'))
    expect((await deployments.find(db, 'dep_2'))?.version).toMatchObject({
      main: 'index.js',
      vars: { GREETING: 'hello' },
      bindings: [],
      crons: [],
      queueConsumers: [],
      egress: null,
    })
    expect(await deployments.previousOf(db, 'prj_1', 'dep_2')).toBe('dep_1')
    expect(
      await deployments.blobsNeeded(
        db,
        ['a', 'b', 'c', 'd'].map((it) => it.repeat(64)),
      ),
    ).toEqual(new Set(['a', 'b', 'c'].map((it) => it.repeat(64))))
    expect(await new EnvStore(Buffer.alloc(32, 7)).read(db, 'prj_1')).toEqual({
      SECRET: 'sealed then',
    })
    expect(await logs.read(db, 'prj_1', { limit: 10 })).toMatchObject([{ message: 'said then' }])
    expect(await usage.read(db, 'prj_1', 'day', new Date(0))).toMatchObject([
      { requests: 7, errors: 1, cpuUs: 15_840 },
    ])
    expect(await ledger.balanceOf(db, 'acc_1')).toMatchObject({
      availableMicroUsd: 99_938_500n,
      heldMicroUsd: 10_000n,
    })
    expect(await audit(db)).toEqual([])
  },
)

test.each(files)('nobody loses a project of release %s to a rule that came later', async (file) => {
  const { db } = await upgraded(file)
  await projects.setInactivity(db, 7)
  await projects.expireDue(db, new Date())
  expect(await projects.find(db, 'acc_1', 'api')).toMatchObject({ status: 'active' })
  const week = new Date(Date.now() - 7 * 86_400_000)
  // What had expired is kept as long as if it had expired now.
  expect(await projects.overdue(db, week)).toEqual([])
})

test.each(files)('what release %s charged has receipts, and they add up', async (file) => {
  const { db } = await upgraded(file)
  const bill = await billOf(db, await testReceiptKey(), 'acc_1')
  expect(await verifyBill(bill)).toMatchObject({ ok: true, totals: { without_detail: 2 } })
  expect(bill.receipts.map((it) => it.reason)).toEqual(['grant', 'deploy', 'runtime', 'refund'])
})

test.each(files)('the database of release %s goes on as any other', async (file) => {
  const { db } = await upgraded(file)
  expect(await ledger.settleLost(db, 'exe_2')).toBe(false)
  await ledger.charge(db, { id: 'new', accountId: 'acc_1', amountMicroUsd: 5n, kind: 'deploy' })
  await projects.remove(db, 'prj_1')
  expect(await audit(db)).toEqual([])
})
