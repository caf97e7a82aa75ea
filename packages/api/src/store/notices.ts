import { sql } from 'kysely'
import pg from 'pg'
import type { Connection, Db } from './database.ts'

/** Tells every replica that what it remembers of a project is no longer true. Takes effect when the transaction commits. */
export async function projectChanged(db: Db, label: string): Promise<void> {
  await sql`select pg_notify('project_changed', ${label})`.execute(db)
}

/**
 * Listens for `projectChanged`, on a connection of its own that is opened again when it breaks.
 * `onChange(null)` means that notices may have been missed: forget everything.
 */
export function listen(connection: Connection, onChange: (label: string | null) => void) {
  let client: pg.Client | undefined
  let retry: NodeJS.Timeout | undefined
  let stopped = false

  const connect = async () => {
    const it = new pg.Client({
      ...(typeof connection === 'string' ? { connectionString: connection } : connection),
      application_name: 'jack-notices',
      keepAlive: true,
    })
    client = it
    it.on('error', () => lost(it))
    it.on('end', () => lost(it))
    it.on('notification', (notice) => onChange(notice.payload ?? null))
    try {
      await it.connect()
      await it.query('listen project_changed')
      onChange(null)
    } catch {
      lost(it)
    }
  }

  const lost = (it: pg.Client) => {
    if (stopped || client !== it) return
    client = undefined
    onChange(null)
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
