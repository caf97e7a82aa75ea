import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endsSoon, expiryOf, isExpired } from '../Project.ts'
import { grant } from '../store/ledger.ts'
import * as projects from '../store/projects.ts'
import { suspend } from '../store/suspensions.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { sweep } from './sweep.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const day = 86_400_000

async function deploy(name: string, more: object = {}) {
  const files = { 'src/index.js': `export default { fetch: () => new Response('${name}') }` }
  return (await cloud.api('POST', '/deploy', { name, files, ...more })).json
}
const read = async (name: string) => (await cloud.api('GET', `/v1/projects/${name}`)).json
const daysLeft = (it: { expires_at: string }) => (Date.parse(it.expires_at) - Date.now()) / day

/** As if the project had been as it is since so many days longer. */
async function age(name: string, days: number): Promise<void> {
  const gap = sql`${days} * interval '1 day'`
  await sql`update project set active_at = active_at - ${gap}, expires_at = expires_at - ${gap},
    expired_at = expired_at - ${gap} where name = ${name}`.execute(cloud.jack.db)
  await sql`update usage_minute set minute = minute - ${gap}
    where project_id = (select project_id from project where name = ${name})`.execute(cloud.jack.db)
  cloud.jack.routes.forget(null)
}

test('a project that nobody uses expires after a week, and any use begins the week anew', async () => {
  const { url } = await deploy('used')
  expect(daysLeft(await read('used'))).toBeCloseTo(7, 2)

  await age('used', 6.5)
  expect(daysLeft(await read('used'))).toBeCloseTo(0.5, 2)
  expect((await cloud.live(url)).status).toBe(200)
  await sweep(cloud.jack)
  expect(daysLeft(await read('used'))).toBeCloseTo(7, 2)

  await age('used', 6.5)
  await deploy('used')
  expect(daysLeft(await read('used'))).toBeCloseTo(7, 2)

  await age('used', 7)
  await sweep(cloud.jack)
  expect(await read('used')).toMatchObject({ status: 'expired', reason: 'Nobody used it.' })
  expect((await cloud.live(url)).status).toBe(410)
})

test('near the end, the API, the deploy and the live URL say so; renewing gives the whole time again', async () => {
  const { url, warnings } = await deploy('ending', { ttl_hours: 48 })
  expect(warnings).toEqual([])
  expect((await cloud.live(url)).headers['x-jack-expires-at']).toBeUndefined()

  await age('ending', 2 - 4 / 24)
  const near = await read('ending')
  expect(near.warnings).toEqual([expect.stringContaining('jack renew ending')])
  expect((await cloud.live(url)).headers['x-jack-expires-at']).toBe(near.expires_at)
  const again = await deploy('ending')
  expect(again).toMatchObject({
    deduplicated: true,
    warnings: [expect.stringContaining('expires')],
  })

  const renewed = await cloud.api('POST', '/v1/projects/ending/renew', {})
  expect(renewed.json).toMatchObject({ ttl_hours: 48, warnings: [], kept_until: null })
  expect(daysLeft(renewed.json)).toBeCloseTo(2, 2)
  expect((await cloud.live(url)).headers['x-jack-expires-at']).toBeUndefined()
  const longer = await cloud.api('POST', '/v1/projects/ending/renew', { ttl_hours: 240 })
  expect(daysLeft(longer.json)).toBeCloseTo(10, 2)
})

test('what has expired is kept for a week, and renewing brings it back with its data', async () => {
  const { url, project_id } = await deploy('kept', { ttl_hours: 1, env: { A: '1' } })
  const state = join(cloud.jack.config.dataDir, 'engine/state', project_id)
  mkdirSync(state, { recursive: true })
  writeFileSync(join(state, 'db.sqlite'), 'data')
  await age('kept', 1)
  await sweep(cloud.jack)
  const expired = await read('kept')
  expect(expired).toMatchObject({
    status: 'expired',
    warnings: [expect.stringContaining('deleted at')],
  })
  expect((Date.parse(expired.kept_until) - Date.now()) / day).toBeCloseTo(7, 2)

  await age('kept', 6.9)
  await sweep(cloud.jack)
  expect((await cloud.api('POST', '/v1/projects/kept/renew', {})).json).toMatchObject({
    status: 'active',
    reason: null,
  })
  expect((await cloud.live(url)).text).toBe('kept')
  expect(existsSync(join(state, 'db.sqlite'))).toBe(true)

  await age('kept', 1)
  await sweep(cloud.jack)
  await age('kept', 7)
  await sweep(cloud.jack)
  expect(await read('kept')).toMatchObject({ code: 'not_found' })
  expect((await cloud.live(url)).status).toBe(404)
  expect(existsSync(state)).toBe(false)
  for (const table of ['deployment', 'env_var', 'log_line', 'usage_minute', 'promotion']) {
    const { rows } =
      await sql`select from ${sql.table(table)} where project_id = ${project_id}`.execute(
        cloud.jack.db,
      )
    expect(rows).toEqual([])
  }
})

test('renewing lifts no suspension, also not that of a project that has expired since', async () => {
  const { project_id } = await deploy('stopped')
  const { db } = cloud.jack
  await suspend(db, project_id, { code: 'runaway', evidence: {}, now: new Date() })
  const renew = async () => (await cloud.api('POST', '/v1/projects/stopped/renew', {})).json
  expect(await renew()).toMatchObject({ status: 'suspended' })
  await age('stopped', 8)
  await sweep(cloud.jack)
  expect(await read('stopped')).toMatchObject({ status: 'expired' })
  expect(await renew()).toMatchObject({ status: 'suspended', kept_until: null })
})

test('time in which the cloud stood still counts for nobody', async () => {
  await deploy('over-holidays')
  const { db } = cloud.jack
  await age('over-holidays', 20)
  await sql`update periodic set started_at = started_at - interval '20 days' where name = 'note use'`.execute(
    db,
  )
  await sweep(cloud.jack)
  expect(await read('over-holidays')).toMatchObject({ status: 'active' })
  expect(daysLeft(await read('over-holidays'))).toBeCloseTo(7, 2)
})

test('an operator changes how long unused projects live, or lets them live for ever', async () => {
  await deploy('configured')
  const { db } = cloud.jack
  await projects.setInactivity(db, 30)
  expect(daysLeft(await read('configured'))).toBeCloseTo(30, 2)
  await projects.setInactivity(db, 0)
  expect(await read('configured')).toMatchObject({ expires_at: null, warnings: [] })
  await projects.setInactivity(db, 7)
  expect(daysLeft(await read('configured'))).toBeCloseTo(7, 2)
})

// The last, since it is for every project.
test('money that comes in keeps what it is for', async () => {
  const { project_id } = await deploy('funded')
  await age('funded', 6.5)
  await cloud.api('POST', '/v1/balance', { amount_usd: '1' })
  expect(daysLeft(await read('funded'))).toBeCloseTo(7, 2)
  await age('funded', 6.5)
  const { db } = cloud.jack
  const { accountId } = (await projects.findById(db, project_id)) as { accountId: string }
  await grant(db, { id: 'fund-1', accountId, amountMicroUsd: 1n, kind: 'fund' })
  await sweep(cloud.jack)
  expect(daysLeft(await read('funded'))).toBeCloseTo(7, 2)
})

test('nothing is over before its time, and everything warns before it is over', () => {
  fc.assert(
    fc.property(
      fc.option(fc.double({ min: 0.001, max: 8_760, noNaN: true })),
      fc.double({ min: 0, max: 400, noNaN: true }),
      fc.integer({ min: 0, max: 500 * day }),
      (ttlHours, inactiveDays, laterMs) => {
        const start = new Date('2026-01-01')
        const expiresAt = expiryOf(ttlHours, inactiveDays, start)
        const it = { status: 'active' as const, ttlHours, expiresAt }
        const later = new Date(start.getTime() + laterMs)
        const lastsMs = ttlHours === null ? inactiveDays * day : ttlHours * 3_600_000
        if (expiresAt === null) expect(isExpired(it, later) || endsSoon(it, later)).toBe(false)
        else {
          expect(isExpired(it, later)).toBe(laterMs >= Math.trunc(lastsMs))
          if (isExpired(it, later)) expect(endsSoon(it, later)).toBe(true)
          if (laterMs < lastsMs - day) expect(endsSoon(it, later)).toBe(false)
        }
      },
    ),
  )
})
