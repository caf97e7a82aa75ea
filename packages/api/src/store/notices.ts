import { sql } from 'kysely'
import pg from 'pg'
import type { Connection, Db } from './database.ts'

/** Tells every replica that what it remembers of a project is no longer true. Takes effect when the transaction commits. */
export async function projectChanged(db: Db, label: string): Promise<void> {
  await sql`select pg_notify('project_changed', ${label})`.execute(db)
}

/** Tells every replica that a token does not work any more. Takes effect when the transaction commits. */
export async function tokenRevoked(db: Db): Promise<void> {
  await sql`select pg_notify('token_revoked', '')`.execute(db)
}

export interface Heard {
  /** A project was suspended: nothing of it should run any more. */
  suspended(projectId: string): void
  /** A project changed; null when notices may have been missed: forget everything. */
  project(label: string | null): void
  /** A token was revoked, or might have been. */
  token(): void
}

/**
 * Listens for notices, on a connection of its own that is opened again when it breaks.
 */
export function listen(connection: Connection, heard: Heard) {
  let client: pg.Client | undefined
  let retry: NodeJS.Timeout | undefined
  let stopped = false

  const missed = () => {
    heard.token()
    heard.project(null)
  }

  const connect = async () => {
    const it = new pg.Client({
      ...(typeof connection === 'string' ? { connectionString: connection } : connection),
      application_name: 'jack-notices',
      keepAlive: true,
    })
    client = it
    it.on('error', () => lost(it))
    it.on('end', () => lost(it))
    it.on('notification', ({ channel, payload }) => {
      // A project may have taken its tokens with it.
      heard.token()
      if (channel === 'project_suspended') return heard.suspended(payload ?? '')
      if (channel === 'project_changed') heard.project(payload ?? null)
    })
    try {
      await it.connect()
      await it.query('listen project_changed; listen project_suspended; listen token_revoked')
      missed()
    } catch {
      lost(it)
    }
  }

  const lost = (it: pg.Client) => {
    if (stopped || client !== it) return
    client = undefined
    missed()
    it.end().catch(() => {})
    retry = setTimeout(connect, 500)
  }

  return {
    ready: connect(),
    async stop(): Promise<void> {
      stopped = true
      clearTimeout(retry)
      await client?.end().catch(() => {})
    },
  }
}
