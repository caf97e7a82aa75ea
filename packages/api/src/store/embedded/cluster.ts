import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Binaries } from './binaries.ts'
import type { Home } from './home.ts'

/** The binaries are pinned to it: a newer major cannot read the files of an older one. */
const MAJOR = '18'
const DRAFT = 'draft-'

/**
 * Makes the files of the server on first start. What a start that was killed half-way left is never used: its initdb
 * may even go on for a while, hence a new name each time.
 */
export async function createCluster(home: Home, binaries: Binaries): Promise<void> {
  const drafts = (await readdir(home.path)).filter((name) => name.startsWith(DRAFT))
  for (const name of drafts)
    await rm(join(home.path, name), { recursive: true, force: true }).catch(() => {})
  const version = await readFile(join(home.cluster, 'PG_VERSION'), 'utf8').catch(() => undefined)
  if (version?.trim() === MAJOR) return
  if (version !== undefined)
    throw new Error(
      `The data in ${home.cluster} is of Postgres ${version.trim()}, and this Jack runs Postgres ${MAJOR}. ` +
        'Start the Jack that made it, or run a Postgres of that version and set DATABASE_URL.',
    )
  const draft = join(home.path, `${DRAFT}${randomBytes(4).toString('hex')}`)
  await initdb(draft, home, binaries)
  await rename(draft, home.cluster)
  await syncFolder(dirname(home.cluster))
}

async function initdb(path: string, home: Home, binaries: Binaries): Promise<void> {
  const options = [
    ['--pgdata', path],
    ['--username', 'jack'],
    // Who may open the socket is decided by its folder, which lets in one user.
    ['--auth-local', 'trust'],
    ['--auth-host', 'scram-sha-256'],
    ['--encoding', 'UTF8'],
    // Built into Postgres, so that an update of the system's locales cannot break an index.
    ['--locale', 'C'],
    ['--locale-provider', 'builtin'],
    ['--builtin-locale', 'C.UTF-8'],
  ].flat()
  try {
    await promisify(execFile)(join(binaries.bin, 'initdb'), [...options, '--no-instructions'], {
      ...home.user,
      cwd: '/',
      env: binaries.env,
    })
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    const why = stderr?.trim() || message
    const hint = /effective user ID/.test(why)
      ? 'Postgres needs a user that the system knows by name.'
      : ''
    throw new Error(
      `The embedded Postgres could not be set up: ${why}\n${hint} Set DATABASE_URL to use another Postgres (15 or newer).`,
      { cause: error },
    )
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  await folder.sync().finally(() => folder.close())
}
