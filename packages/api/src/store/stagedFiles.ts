import { sql } from 'kysely'
import type { Db } from './database.ts'

/** Files that wait for a deploy, by account and name of the project. */
export interface Stage {
  accountId: string
  name: string
}

export interface StagedFile {
  path: string
  sizeBytes: number
  updatedAt: Date
}

/** Until the transaction ends, nobody else changes what the account has staged. */
export async function lock(db: Db, accountId: string): Promise<void> {
  await db
    .selectFrom('account')
    .select('account_id')
    .where('account_id', '=', accountId)
    .forNoKeyUpdate()
    .execute()
}

/** Puts a file, or adds to its end. */
export async function put(
  db: Db,
  { accountId, name }: Stage,
  path: string,
  content: Buffer,
  append: boolean,
): Promise<void> {
  await db
    .insertInto('staged_file')
    .values({ account_id: accountId, name, path, content })
    .onConflict((it) =>
      it.columns(['account_id', 'name', 'path']).doUpdateSet({
        content: append ? sql`staged_file.content || excluded.content` : content,
        updated_at: sql`now()`,
      }),
    )
    .execute()
}

/** Every file without its content, by path. */
export async function list(db: Db, stage: Stage): Promise<StagedFile[]> {
  const rows = await of(db, stage)
    .select(['path', 'updated_at', sql<number>`octet_length(content)`.as('size')])
    .orderBy('path')
    .execute()
  return rows.map((row) => ({ path: row.path, sizeBytes: row.size, updatedAt: row.updated_at }))
}

/** A part of a file, in bytes. */
export async function read(
  db: Db,
  stage: Stage,
  path: string,
  offset: number,
  limit: number,
): Promise<(StagedFile & { part: Buffer }) | undefined> {
  const row = await of(db, stage)
    .where('path', '=', path)
    .select([
      'path',
      'updated_at',
      sql<number>`octet_length(content)`.as('size'),
      sql<Buffer>`substring(content from ${offset + 1}::int for ${limit}::int)`.as('part'),
    ])
    .executeTakeFirst()
  return row && { path, sizeBytes: row.size, updatedAt: row.updated_at, part: row.part }
}

/** Every file with its content. */
export async function contents(db: Db, stage: Stage): Promise<{ path: string; content: Buffer }[]> {
  return of(db, stage).select(['path', 'content']).execute()
}

/** Removes one file, or all of them; answers how many. */
export async function remove(db: Db, { accountId, name }: Stage, path?: string): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('staged_file')
    .where('account_id', '=', accountId)
    .where('name', '=', name)
    .$if(path !== undefined, (it) => it.where('path', '=', path as string))
    .executeTakeFirstOrThrow()
  return Number(numDeletedRows)
}

/** What an account has staged under all names, in bytes: contents, and what it takes to keep each. */
export async function sizeOfAccount(db: Db, accountId: string): Promise<number> {
  const row = await db
    .selectFrom('staged_file')
    .select(
      sql<number>`coalesce(sum(octet_length(content) + octet_length(path) + 100), 0)::float8`.as(
        'size',
      ),
    )
    .where('account_id', '=', accountId)
    .executeTakeFirstOrThrow()
  return row.size
}

/** Forgets stages of which no file has changed since. */
export async function forgetOld(db: Db, before: Date): Promise<void> {
  await db
    .deleteFrom('staged_file')
    .where('updated_at', '<', before)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('staged_file as other')
            .select('other.path')
            .whereRef('other.account_id', '=', 'staged_file.account_id')
            .whereRef('other.name', '=', 'staged_file.name')
            .where('other.updated_at', '>=', before),
        ),
      ),
    )
    .execute()
}

const of = (db: Db, { accountId, name }: Stage) =>
  db.selectFrom('staged_file').where('account_id', '=', accountId).where('name', '=', name)
