import { execFile } from 'node:child_process'
import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface User {
  uid: number
  gid: number
}

const NAME = 'jack-postgres'

export const isRoot = (): boolean => process.getuid?.() === 0

/**
 * The system user under which root runs Postgres, which refuses to run as root. Not `nobody`: whoever is this user
 * can read the ledger. Made when it is missing.
 */
export async function postgresUser(): Promise<User> {
  for (let attempt = 1; ; attempt++) {
    const user = await lookUp()
    if (user) return user
    try {
      await run('useradd', [
        '--system',
        '--user-group',
        '--no-create-home',
        '--shell',
        '/bin/false',
        NAME,
      ])
    } catch (error) {
      // Another process may be adding users at this moment.
      if (attempt < 5 && !(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
        await sleep(200 * attempt)
        continue
      }
      throw new Error(
        `Postgres does not run as root, and the system user ${NAME} could not be added: ${(error as Error).message.trim()}\n` +
          'Run Jack as another user, add that user, or set DATABASE_URL to a Postgres 15 or newer.',
        { cause: error },
      )
    }
  }
}

async function lookUp(): Promise<User | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', NAME]), run('id', ['-g', NAME])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return undefined
  }
}

const run = promisify(execFile)

/** Whether a user may walk through every folder from the root to this path. */
export async function entersAll(user: User, path: string): Promise<boolean> {
  return (await closedFolder(user, path)) === undefined
}

/** The first folder on the way to a path that a user may not enter. */
export async function closedFolder(user: User, path: string): Promise<string | undefined> {
  const folders: string[] = []
  for (let folder = await realpath(path); ; folder = dirname(folder)) {
    folders.unshift(folder)
    if (folder === dirname(folder)) break
  }
  for (const folder of folders) {
    const { uid, gid, mode } = await stat(folder)
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    if ((mode & bit) === 0) return folder
  }
  return undefined
}
