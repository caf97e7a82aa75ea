import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Db } from './database.ts'
import * as logs from './logs.ts'
import { type TestDatabase, testDatabase } from './testing/database.ts'

let database: TestDatabase
let db: Db
beforeAll(async () => {
  database = await testDatabase()
  db = database.db
  await db.insertInto('account').values({ account_id: 'acc', slug: 'acc', kind: 'local' }).execute()
})
afterAll(() => database.drop())

async function project(): Promise<string> {
  const id = `prj_${randomUUID()}`
  await db
    .insertInto('project')
    .values({ project_id: id, account_id: 'acc', name: id, label: id })
    .execute()
  return id
}

const line = (projectId: string, over: Partial<logs.NewLogLine> = {}): logs.NewLogLine => ({
  projectId,
  deploymentId: null,
  at: new Date(),
  level: 'log',
  message: 'm',
  ...over,
})

const read = async (projectId: string, filter: Partial<logs.LogFilter> = {}) =>
  (await logs.read(db, projectId, { limit: 100_000, ...filter })).map((it) => it.message)

const extent = async (projectId: string) =>
  db.selectFrom('log_extent').selectAll().where('project_id', '=', projectId).executeTakeFirst()

const ago = (ms: number) => new Date(Date.now() - ms)
const day = 86_400_000
const bounds = (over: Partial<logs.LogBounds> = {}) => ({
  ageMs: 7 * day,
  lines: 1e6,
  bytes: 1e9,
  ...over,
})

test('lines keep all that they carry, and what Postgres cannot keep is replaced', async () => {
  const id = await project()
  const at = ago(1_000)
  const given = line(id, {
    deploymentId: 'dep',
    at,
    level: 'error',
    message: 'é\0\ud800 🙂',
    requestId: 'req_1',
    kind: 'exception',
  })
  await logs.append(db, [given, line(id), line('prj_gone')])
  expect(await logs.read(db, id, { limit: 10 })).toEqual([
    { ...given, message: 'é\ufffd\ufffd 🙂', id: expect.any(BigInt) },
    expect.objectContaining({ kind: 'notice', requestId: null }),
  ])
  expect(await extent(id)).toMatchObject({ lines: 2n, bytes: 14n, oldest_at: at })
  expect(await logs.newestId(db, id)).toBe((await logs.read(db, id, { limit: 1 }))[0]?.id)
})

test('lines are found by request and by version', async () => {
  const id = await project()
  await logs.append(db, [
    line(id, { message: 'a', requestId: 'req_1', deploymentId: 'dep_1' }),
    line(id, { message: 'b', requestId: 'req_2', deploymentId: 'dep_1' }),
    line(id, { message: 'c', requestId: 'req_1', deploymentId: 'dep_2' }),
  ])
  expect(await read(id, { requestId: 'req_1' })).toEqual(['a', 'c'])
  expect(await read(id, { requestId: 'req_1', deploymentId: 'dep_2' })).toEqual(['c'])
})

test('a log that is over its lines, its bytes or its age loses its oldest lines, and no other does', async () => {
  const [many, large, old, fine] = await Promise.all([project(), project(), project(), project()])
  await logs.append(db, [
    ...Array.from({ length: 12 }, (_, i) => line(many, { message: String(i) })),
    ...Array.from({ length: 5 }, (_, i) => line(large, { message: String(i).repeat(100) })),
    line(old, { message: 'old', at: ago(8 * day) }),
    line(old, { message: 'new' }),
    ...Array.from({ length: 10 }, () => line(fine)),
  ])
  await logs.trim(db, new Date(), bounds({ lines: 10, bytes: 400 }))
  expect(await read(many)).toEqual(Array.from({ length: 10 }, (_, i) => String(i + 2)))
  expect(await read(large)).toEqual(['1', '2', '3', '4'].map((it) => it.repeat(100)))
  expect(await read(old)).toEqual(['new'])
  expect(await read(fine)).toHaveLength(10)
  for (const id of [many, large, old, fine]) {
    const { rows } = await sql`
      select count(*) as lines, sum(octet_length(message))::bigint as bytes, min(at) as oldest_at
      from log_line where project_id = ${id}`.execute(db)
    expect(await extent(id)).toMatchObject(rows[0] as object)
  }
})

test('a log a little over its size is left alone, so that no log is trimmed again and again', async () => {
  const id = await project()
  await logs.append(db, [
    line(id, { at: ago(7.5 * day) }),
    ...Array.from({ length: 10 }, () => line(id)),
  ])
  await logs.trim(db, new Date(), bounds({ lines: 10 }))
  expect(await read(id)).toHaveLength(11)
})

test('who reads on after an id misses nothing while many write and trim', async () => {
  const id = await project()
  const writing = Array.from({ length: 8 }, async (_, writer) => {
    for (let i = 0; i < 15; i++)
      await logs.append(db, [
        line(id, { message: `${writer} ${i}` }),
        line(id, { message: `${writer} ${i}b` }),
      ])
  })
  let over = false
  const all = Promise.all(writing).then(() => {
    over = true
  })
  const seen: string[] = []
  for (let after = 0n, last = false; ; last = over) {
    const page = await logs.read(db, id, { after, limit: 7 })
    seen.push(...page.map((it) => it.message))
    after = page.at(-1)?.id ?? after
    await logs.trim(db, new Date(), bounds())
    if (last && page.length === 0) break
  }
  await all
  expect(seen).toHaveLength(240)
  expect(new Set(seen).size).toBe(240)
  expect(await extent(id)).toMatchObject({ lines: 240n })
})
