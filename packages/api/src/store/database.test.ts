import { sql } from 'kysely'
import { afterAll, expect, test } from 'vitest'
import { testDatabase } from './testing/database.ts'

const database = await testDatabase()
const { db } = database
afterAll(() => database.drop())

test('whole numbers, days and moments arrive as they are', async () => {
  const { rows } = await sql`select 9007199254740993::bigint as big, count(*) as count, 7 as small,
    date '2026-11-21' as day, timestamptz '2026-11-21T01:02:03.456Z' as moment`.execute(db)
  expect(rows).toEqual([
    {
      big: 9_007_199_254_740_993n,
      count: 1n,
      small: 7,
      day: '2026-11-21',
      moment: new Date('2026-11-21T01:02:03.456Z'),
    },
  ])
})

test('a connection that breaks fails its transaction and nothing else', async () => {
  const broken = db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
    await sql`select pg_terminate_backend(${rows[0]?.pid})`.execute(db)
    await new Promise((resolve) => setTimeout(resolve, 50))
    await sql`select 1`.execute(tx)
  })
  await expect(broken).rejects.toThrow()
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(db)
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect((await sql`select 1 as it`.execute(db)).rows).toEqual([{ it: 1 }])
})
