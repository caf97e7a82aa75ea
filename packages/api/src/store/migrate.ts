import { sql } from 'kysely'
import type { Db } from './database.ts'
import { migrations } from './migrations/index.ts'

/**
 * Brings the schema up to date, all or nothing. Many replicas may call it at once: one works, the others wait.
 * Returns the names of what was applied. Throws when the database is newer than this code.
 */
export async function migrate(
  db: Db,
  known: Record<string, string> = migrations,
): Promise<string[]> {
  return db.transaction().execute(async (tx) => {
    await sql`set local statement_timeout = 0; set local lock_timeout = 0`.execute(tx)
    await sql`select pg_advisory_xact_lock(hashtextextended('jack migrate', 0))`.execute(tx)
    await sql`
      create table if not exists migration (
        name text primary key,
        applied_at timestamptz not null default now()
      )`.execute(tx)
    const { rows } = await sql<{ name: string }>`select name from migration`.execute(tx)
    const applied = new Set(rows.map((row) => row.name))
    const unknown = [...applied].filter((name) => !Object.hasOwn(known, name))
    if (unknown.length > 0)
      throw new Error(
        `The database is newer than this Jack: it has ${unknown.join(', ')}. Start the version that made it, or a later one.`,
      )
    const missing = Object.keys(known).filter((name) => !applied.has(name))
    for (const name of missing) {
      await sql.raw(known[name] as string).execute(tx)
      await sql`insert into migration (name) values (${name})`.execute(tx)
    }
    return missing
  })
}
