import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import type { Backup } from '../Backup.ts'
import { keyCheck } from './env.ts'
import { migrate } from './migrate.ts'
import { migrations } from './migrations/index.ts'
import { finishRestore } from './restore.ts'
import { testDatabase } from './testing/database.ts'

const key = Buffer.alloc(32, 1)

/** What an unpacked backup looks like: a little, made when the schema had its first four migrations. */
async function unpacked(change: Partial<Backup> = {}) {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const dataDir = await mkdtemp(join(tmpdir(), 'jack-restore-'))
  onTestFinished(() => rm(dataDir, { recursive: true }))
  const folder = join(dataDir, 'restore')
  await mkdir(join(folder, 'database'), { recursive: true })
  const backup: Backup = {
    format: 1,
    id: 'one',
    made_at: '2026-11-01T00:00:00Z',
    migrations: Object.keys(migrations).slice(0, 4),
    tables: [
      { name: 'account', columns: ['account_id', 'slug', 'kind'] },
      {
        name: 'log_line',
        columns: ['line_id', 'project_id', 'deployment_id', 'at', 'level', 'message'],
      },
      { name: 'project', columns: ['project_id', 'account_id', 'name', 'label'] },
    ],
    has_key: false,
    key_check: keyCheck(key),
    url: 'http://before',
    ...change,
  }
  await writeFile(join(folder, 'backup.json'), JSON.stringify(backup))
  // A row may lie in two pieces, and the tenth comes after the ninth.
  await writeFile(join(folder, 'database/account.2'), 'sl')
  await writeFile(join(folder, 'database/account.10'), 'ug\tlocal\n')
  await writeFile(join(folder, 'database/account.0'), 'acc_1\t')
  await writeFile(join(folder, 'database/project.0'), 'prj_1\tacc_1\tname\tslug-name\n')
  await writeFile(join(folder, 'database/log_line.0'), '41\tprj_1\t\\N\t2026-11-01\t2\thello\n')
  const restore = () =>
    finishRestore({
      dataDir,
      db: database.db,
      connection: database.connection,
      encryptionKey: key.toString('base64'),
      stateDir: () => dataDir,
    })
  return { ...database, folder, restore }
}

const wipe = (db: Awaited<ReturnType<typeof testDatabase>>['db']) =>
  sql`drop schema public cascade; create schema public`.execute(db)

test('rows are loaded into the schema that they were saved from, and migrated then', async () => {
  const { db, restore, folder } = await unpacked()
  await wipe(db)
  expect(await restore()).toMatchObject({ url: 'http://before' })
  expect(existsSync(folder)).toBe(false)
  await migrate(db)
  const { rows } = await sql`select slug, name, active_at is not null as active
    from account join project using (account_id)`.execute(db)
  expect(rows).toEqual([{ slug: 'slug', name: 'name', active: true }])
  const { rows: lines } = await sql`
    insert into log_line (project_id, at, level, message) values ('prj_1', now(), 2, 'next')
    returning line_id`.execute(db)
  expect(lines).toEqual([{ line_id: 42n }])
  await expect(sql`delete from account`.execute(db)).rejects.toThrow('foreign key')
  expect(await restore()).toBe(undefined)
})

test('a restore that was cut off goes on, and one that is done is not done again', async () => {
  const { db, restore, folder } = await unpacked()
  await wipe(db)
  await rm(join(folder, 'database/project.0'))
  await expect(restore()).rejects.toThrow('foreign key')
  await writeFile(join(folder, 'database/project.0'), 'prj_1\tacc_1\tname\tslug-name\n')
  const text = await readFile(join(folder, 'backup.json'))
  await restore()
  await mkdir(folder)
  await writeFile(join(folder, 'backup.json'), text)
  await restore()
  expect((await sql`select from account`.execute(db)).rows).toHaveLength(1)
})

test('a database that is in use, another key and a later version are refused', async () => {
  const inUse = await unpacked()
  await sql`insert into account (account_id, slug, kind) values ('acc_2', 'x', 'local')`.execute(
    inUse.db,
  )
  await expect(inUse.restore()).rejects.toThrow('is in use')
  expect(existsSync(inUse.folder)).toBe(true)
  const otherKey = await unpacked({ key_check: 'other' })
  await expect(otherKey.restore()).rejects.toThrow('sealed with another key')
  const later = await unpacked({ migrations: [...Object.keys(migrations), '9999-later'] })
  await expect(later.restore()).rejects.toThrow('newer than this Jack: it has 9999-later')
})
