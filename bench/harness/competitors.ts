import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run } from './processes.ts'

/** What is installed for the bench alone. Each may be missing: a prebuilt binary or a compiler is not everywhere. */
export type Competitor = 'isolated-vm' | 'miniflare' | 'wrangler'

const bench = fileURLToPath(new URL('..', import.meta.url))
const missing = new Map<Competitor, string>()

/** The `wrangler` command, to be run by this Node. */
export const wrangler = `${bench}node_modules/wrangler/bin/wrangler.js`

/** Installs them on first use, by the lockfile. Never throws: what cannot take part is said, loudly. */
export async function installCompetitors(say: (line: string) => void): Promise<void> {
  let failure = ''
  if (!existsSync(`${bench}node_modules/.modules.yaml`)) {
    say('Installing what Jack is compared with (bench/package.json) ...')
    failure = await install().catch((error: Error) => error.message)
  }
  for (const [name, check] of Object.entries(checks) as [Competitor, string[]][]) {
    try {
      await run(process.execPath, check, { cwd: bench })
    } catch (error) {
      const why = failure || (error as Error).message
      missing.set(
        name,
        why
          .split('\n')
          .find((line) => /error/i.test(line))
          ?.trim() ?? why,
      )
      say(`!!! ${name} cannot take part: ${missing.get(name)}`)
    }
  }
}

/** Why a competitor does not take part; undefined when it does. */
export const absence = (name: Competitor): string | undefined => missing.get(name)

/** Reasons of those that do not take part, as a row tells them. */
export const absences = (...names: Competitor[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const why = missing.get(name)
      return why === undefined ? [] : [[name, why]]
    }),
  )

async function install(): Promise<string> {
  // Not with the workspace: its folder has a pnpm-workspace.yaml of its own.
  await run('npx', ['-y', 'pnpm@12', 'install', '--dir', bench, '--frozen-lockfile'])
  return ''
}

/** The shortest proof that it works on this machine. */
const checks: Record<Competitor, string[]> = {
  'isolated-vm': [
    '--no-node-snapshot',
    '-e',
    "const { Isolate } = require('isolated-vm'); new Isolate({ memoryLimit: 8 }).dispose()",
  ],
  miniflare: ['-e', "require('miniflare')"],
  wrangler: ['-e', "require.resolve('wrangler')"],
}
