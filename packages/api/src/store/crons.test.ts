import { afterAll, expect, test } from 'vitest'
import * as accounts from './accounts.ts'
import * as crons from './crons.ts'
import * as projects from './projects.ts'
import { testDatabase } from './testing/database.ts'

const database = await testDatabase()
afterAll(() => database.drop())

test('an account with much that is due is no reason for another to wait', async () => {
  const { db } = database
  const nextAt = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second))
  for (const [account, count] of [
    ['many', 5],
    ['few', 1],
  ] as const) {
    const accountId = `acc_${account}`
    await accounts.ensure(db, { accountId, slug: account, kind: 'person' })
    await projects.add(db, {
      projectId: `prj_${account}`,
      accountId,
      name: account,
      label: account,
      budgetMicroUsd: null,
      ttlHours: null,
      expiresAt: null,
    })
    const due = Array.from({ length: count }, (_, i) => ({ expression: `${i}`, nextAt: nextAt(i) }))
    await crons.replace(db, `prj_${account}`, due)
  }
  const now = nextAt(30)
  const claim = (limit: number, perAccount = 3) =>
    db.transaction().execute(async (tx) => {
      const due = await crons.lockDue(tx, now, { limit, perAccount, leaseMs: 30_000 })
      const running = due.map((it) => ({ ...it, nextAt: null, running: true }))
      await crons.advance(tx, running, new Date(now.getTime() + 30_000))
      return due.map((it) => `${it.projectId} ${it.expression}`).sort()
    })
  expect(await claim(2)).toEqual(['prj_few 0', 'prj_many 0'])
  expect(await claim(9)).toEqual(['prj_many 1', 'prj_many 2'])
  // As many run as may run at once, until one ends.
  expect(await claim(9)).toEqual([])
  const ended = { projectId: 'prj_many', expression: '0' }
  await crons.finish(db, ended, { at: now, outcome: 'ok' })
  expect(await claim(9)).toEqual(['prj_many 3'])
})
