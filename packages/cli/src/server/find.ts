import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { JackError } from '@jackcloud/sdk'
import { confirm } from '../ask.ts'
import { defaultDataFolder } from '../folders.ts'
import type { Session } from '../session.ts'
import { version } from '../version.ts'
import { withoutKeys } from '../wallet/key.ts'

/**
 * The server's main file: in this workspace, beside this package, in the current folder, or fetched before. The server
 * is a package of its own, so that `npx jack` stays small; it is fetched only when the user agrees.
 */
export async function findServer(session: Session): Promise<string> {
  const home = join(defaultDataFolder(), 'server', version())
  const found = beside() ?? from(process.cwd()) ?? from(home)
  if (found) return found
  const name = `@jackcloud/api@${version()}`
  if (!(await confirm(session, `The server (${name}) is not installed. Fetch it from npm now?`))) {
    throw new JackError('usage', 'The server is not installed.', {
      hint: 'It is a package of its own.',
      next: [
        { command: `npm i -g ${name}`, when: 'to install it' },
        { command: 'jack up --yes', when: 'to let jack fetch it' },
      ],
    })
  }
  await session.print.while(`Fetching ${name}`, fetchServer(home, name, session.signal))
  const fetched = from(home)
  if (fetched) return fetched
  throw new JackError('internal', `${name} was fetched, but has no server in it.`)
}

function beside(): string | undefined {
  try {
    const file = fileURLToPath(import.meta.resolve('@jackcloud/api/main'))
    return existsSync(file) ? file : undefined
  } catch {
    return undefined
  }
}

function from(folder: string): string | undefined {
  try {
    const file = createRequire(join(folder, 'package.json')).resolve('@jackcloud/api/main')
    return existsSync(file) ? file : undefined
  } catch {
    return undefined
  }
}

async function fetchServer(home: string, name: string, signal: AbortSignal): Promise<void> {
  await mkdir(home, { recursive: true })
  try {
    const { execa } = await import('execa')
    await execa('npm', ['install', '--prefix', home, '--no-fund', '--no-audit', name], {
      cancelSignal: signal,
      env: withoutKeys(process.env),
      extendEnv: false,
    })
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr ?? (error as Error).message)
    throw new JackError('network', `${name} could not be fetched.`, {
      hint:
        'npm said: ' +
        (said.split('\n').find((line) => /npm (ERR!|error)/.test(line)) ?? said.slice(0, 200)),
      next: [{ command: `npm i -g ${name}`, when: 'to install it yourself' }],
    })
  }
}
