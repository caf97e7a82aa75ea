import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Db } from './database.ts'

export interface Periodic {
  /** No more rounds; waits for the one that runs. */
  stop(): Promise<void>
}

export interface PeriodicOptions {
  onError?: (error: unknown) => void
}

/**
 * Does work about every `ms`, on one replica at a time and as often as if there were only one. Rounds never overlap.
 * A failed round is reported and tried again next time.
 *
 * A round holds an advisory lock on a connection of its own. When that breaks, another replica may begin while the
 * work still runs here, so work must bear that, as it must bear being killed at any moment.
 */
export function every(
  db: Db,
  name: string,
  ms: number,
  work: () => Promise<unknown>,
  { onError = () => {} }: PeriodicOptions = {},
): Periodic {
  const stopping = new AbortController()
  const pause = (mostMs: number) =>
    sleep(mostMs * (0.8 + 0.2 * Math.random()), undefined, {
      signal: stopping.signal,
      ref: false,
    }).catch(() => {})

  const run = async () => {
    await pause(Math.min(ms, 1_000))
    while (!stopping.signal.aborted) {
      await round(db, name, ms, work).catch(onError)
      await pause(ms)
    }
  }
  const running = run()
  return {
    stop: () => {
      stopping.abort()
      return running
    },
  }
}

async function round(
  db: Db,
  name: string,
  ms: number,
  work: () => Promise<unknown>,
): Promise<void> {
  await db.connection().execute(async (connection) => {
    const key = sql`hashtextextended(${`jack periodic ${name}`}, 0)`
    const { rows } = await sql<{
      locked: boolean
    }>`select pg_try_advisory_lock(${key}) as locked`.execute(connection)
    if (!rows[0]?.locked) return
    try {
      if (await isDue(connection, name, ms)) await work()
    } finally {
      // Fails only when the connection broke, which unlocks too.
      await sql`select pg_advisory_unlock(${key})`.execute(connection).catch(() => {})
    }
  })
}

/** Notes the beginning of a round, unless one began less than most of an interval ago. */
async function isDue(db: Db, name: string, ms: number): Promise<boolean> {
  const { rows } = await sql`
    insert into periodic (name, started_at) values (${name}, clock_timestamp())
    on conflict (name) do update set started_at = excluded.started_at
      where periodic.started_at <= excluded.started_at - ${ms * 0.75} * interval '1 millisecond'
    returning name`.execute(db)
  return rows.length > 0
}

/** Milliseconds since this was last asked under a name; undefined the first time. */
export async function sinceLast(db: Db, name: string, now: Date): Promise<number | undefined> {
  const { rows } = await sql<{ last: Date }>`
    update periodic set started_at = ${now}
    from (select name, started_at from periodic where name = ${name} for update) before
    where periodic.name = before.name
    returning before.started_at as last`.execute(db)
  const [row] = rows
  if (row) return Math.max(0, now.getTime() - row.last.getTime())
  await sql`insert into periodic (name, started_at) values (${name}, ${now}) on conflict do nothing`.execute(
    db,
  )
  return undefined
}
