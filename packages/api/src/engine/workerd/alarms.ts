import { constants } from 'node:fs'
import { lstat, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/**
 * When the first alarm of a project's Durable Objects or queues is due; undefined when there is none.
 *
 * workerd keeps them in `<namespace>/metadata.sqlite`, table `_cf_ALARM`, in nanoseconds since 1970. The files are
 * copied first: they may be in use, opening them would write beside them, and they come from a hostile process.
 */
export async function nextAlarm(stateDir: string): Promise<Date | undefined> {
  const namespaces = (await readdir(stateDir, { withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isDirectory() && /^(?:do-|queue$)/.test(entry.name))
    .map((entry) => join(stateDir, entry.name))
  const times = await Promise.all(namespaces.map((namespace) => firstOf(namespace)))
  const due = times.filter((time) => time !== undefined).sort((a, b) => a - b)[0]
  return due === undefined ? undefined : new Date(due)
}

const SUFFIXES = ['', '-wal']
const MAX_BYTES = 64 * 1_048_576
/** More than fit into an honest file; pages of one that is not can be read again and again. */
const MOST_ALARMS = 1_000_000

async function firstOf(namespace: string): Promise<number | undefined> {
  const path = join(namespace, 'metadata.sqlite')
  if (!(await lstat(path).catch(() => undefined))) return undefined
  const copies = await mkdtemp(join(tmpdir(), 'jack-alarms-'))
  try {
    for (const suffix of SUFFIXES) {
      const bytes = await readPlainFile(path + suffix)
      if (bytes) await writeFile(join(copies, `metadata.sqlite${suffix}`), bytes)
    }
    return earliest(join(copies, 'metadata.sqlite'))
  } catch {
    // Not a database, or not one that workerd made.
    return undefined
  } finally {
    await rm(copies, { recursive: true, force: true })
  }
}

function earliest(path: string): number | undefined {
  const database = new DatabaseSync(path)
  try {
    // The schema is hostile too: a view, or a column that is computed, would run what it likes.
    const plain = database
      .prepare(`select 1 from pragma_table_list('_cf_ALARM') it join pragma_table_info(it.name) as it_column
        where it.type = 'table' and it_column.name = 'scheduled_time'`)
      .get()
    if (!plain) return undefined
    const row = database
      .prepare(
        `select min(at) / 1000000 as at_ms from (select scheduled_time as at from _cf_ALARM limit ${MOST_ALARMS})`,
      )
      .get() as { at_ms: number | null } | undefined
    return row?.at_ms ?? undefined
  } finally {
    database.close()
  }
}

async function readPlainFile(path: string): Promise<Uint8Array | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(path, flags).catch(() => undefined)
  if (!file) return undefined
  try {
    const found = await file.stat()
    return found.isFile() && found.size <= MAX_BYTES ? await file.readFile() : undefined
  } finally {
    await file.close()
  }
}
