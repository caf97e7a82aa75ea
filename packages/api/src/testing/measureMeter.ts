/**
 * A process that measures how much use can be stored (argv: an empty folder for a database), and what the question
 * whether an app may answer costs a request. Prints one line of JSON.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { sql } from 'kysely'
import { refusalOf } from '../gateway/refusal.ts'
import type { Route } from '../Route.ts'
import { openDatabase } from '../store/database.ts'
import { startEmbedded } from '../store/embedded/startEmbedded.ts'
import { migrate } from '../store/migrate.ts'
import * as usage from '../store/usage.ts'
import { noUsage } from '../Usage.ts'

const projects = 10_000
const accounts = 500
const rounds = 12

const dataDir = process.argv[2] as string
mkdirSync(dataDir, { recursive: true, mode: 0o700 })
process.stdout.write(
  `${JSON.stringify({ projects, accounts, entriesPerSecond: await entries(), checkMs: check() })}\n`,
)

/** An entry is what one project used between two flushes, of every kind, stored durably with its cost. */
async function entries(): Promise<number[]> {
  const quiet = { info: () => {}, warn: () => {} }
  const embedded = await startEmbedded({ dataDir, logger: quiet })
  const db = openDatabase({ connection: embedded.connection })
  try {
    await migrate(db)
    await sql`insert into account (account_id, slug, kind)
      select 'acc_' || i, 'slug-' || i, 'local' from generate_series(1, ${accounts}::int) i`.execute(
      db,
    )
    await sql`insert into ledger_account (account_id) select account_id from account`.execute(db)
    await sql`select ledger_deposit('grant' || account_id, account_id, 1000000000, 'granted', 'grant', null, null, null)
      from account`.execute(db)
    await sql`insert into project (project_id, account_id, name, label)
      select 'prj_' || i, 'acc_' || (i % ${accounts}::int + 1), 'p' || i, 'l' || i
      from generate_series(1, ${projects}::int) i`.execute(db)
    await sql`analyze`.execute(db)
    const latency = Array.from({ length: 20 }, (_, step) => (step > 10 ? 1 : 0))
    const it = { ...noUsage, requests: 10, errors: 1, cpuUs: 12_340, rowsRead: 100, latency }
    const counted = new Map(Array.from({ length: projects }, (_, i) => [`prj_${i + 1}`, it]))
    const server = randomUUID()
    const perSecond: number[] = []
    for (let number = 1; number <= rounds + 2; number++) {
      const began = performance.now()
      await usage.store(db, { server, number, at: new Date(), counted })
      if (number > 2) perSecond.push(projects / ((performance.now() - began) / 1_000))
    }
    return perSecond
  } finally {
    await db.destroy()
    await embedded.stop()
  }
}

/** A look into what is remembered of the project. */
function check(): number[] {
  const now = new Date()
  const found = {
    project: { status: 'active', suspension: null, expiresAt: new Date(now.getTime() + 1e9) },
    deployment: { version: { bindings: [], queueConsumers: [] } },
  } as unknown as Route
  return Array.from({ length: 200 }, () => {
    const began = performance.now()
    for (let i = 0; i < 1_000; i++) if (refusalOf(found, now)) throw new Error('It may answer.')
    return (performance.now() - began) / 1_000
  })
}
