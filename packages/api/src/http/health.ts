import type { Hono } from 'hono'
import { sql } from 'kysely'
import type { Jack } from '../jack.ts'
import type { Door } from './Door.ts'

export function healthDoor(app: Hono<Door>, jack: Jack): void {
  /** Alive: the process answers. */
  app.get('/healthz', (c) => c.json({ status: 'ok' }))

  /** Ready: what it stands on answers too. 503 while it starts or closes. */
  app.get('/readyz', async (c) => {
    const database = await sql`select 1`.execute(jack.db).then(
      () => true,
      () => false,
    )
    const open = !jack.closing.aborted
    const ready = database && open
    const { level, walls } = jack.engine.sandbox
    return c.json(
      {
        status: ready ? 'ready' : 'unavailable',
        checks: { database, open },
        // Which walls stand is the operator's to know.
        sandbox: jack.config.local ? { level, walls } : { level },
      },
      ready ? 200 : 503,
    )
  })
}
