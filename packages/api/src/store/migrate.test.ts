import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { migrate } from './migrate.ts'
import { migrations } from './migrations/index.ts'
import { testDatabase } from './testing/database.ts'

test('replicas that start at once migrate once', async () => {
  await using database = await testDatabase()
  const known = { ...migrations, '9999-more': 'create table more (id int)' }
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(database.db, known)))
  expect(applied.flat()).toEqual(['9999-more'])
})

test('a migration that fails leaves nothing, and the next start tries again', async () => {
  await using database = await testDatabase()
  const known = { ...migrations, '9998-half': 'create table half (id int)', '9999-bad': 'no sql' }
  await expect(migrate(database.db, known)).rejects.toThrow('syntax error')
  const { rows } = await sql`select to_regclass('half') as half`.execute(database.db)
  expect(rows).toEqual([{ half: null }])
  const mended = { ...known, '9999-bad': 'select 1' }
  expect(await migrate(database.db, mended)).toEqual(['9998-half', '9999-bad'])
})

test('a database that is newer than the code is refused', async () => {
  await using database = await testDatabase()
  await migrate(database.db, { ...migrations, '9999-future': 'select 1' })
  await expect(migrate(database.db)).rejects.toThrow(
    'The database is newer than this Jack: it has 9999-future.',
  )
})
