import { existsSync, realpathSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, relative, resolve, sep } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import type { Folders } from '@jackcloud/sdk/mcp'
import { nameOfProgram } from '../commands/deploy.ts'
import { placeOf } from '../failure.ts'
import { writeLink } from '../project.ts'
import type { Session } from '../session.ts'

/** Deploys folders of this machine as `jack deploy` does, by the same rules of what is left out. */
export const foldersOf = (session: () => Promise<Session>): Folders => ({
  async deploy(path, { name: given, if_exists, ...settings }, { jack, signal, progress }) {
    const folder = deployable(path)
    progress('Bundling')
    const program = await read(folder)
    signal.throwIfAborted()
    const at = await session()
    const { name, explicit } = await nameOfProgram(folder, program, at, given)
    progress(`Uploading ${name}, starting it${settings.verify ? ' and checking its answers' : ''}`)
    const { deployProgram } = await import('@jackcloud/sdk/node')
    const answer = await deployProgram(jack, program, {
      ...settings,
      name,
      if_exists: if_exists ?? (explicit ? 'update' : 'refuse'),
      signal,
    }).catch((error) => {
      throw explicit ? error : orTaken(error, name)
    })
    writeLink(folder, {
      project: answer.name,
      project_id: answer.project_id,
      url: at.settings.url.value,
    })
    const warnings = program.warnings.map((it) => placeOf(it)).map(({ text }) => text)
    return { ...answer, warnings: [...warnings, ...answer.warnings] }
  },

  async quote(path, given, { jack, signal }) {
    const folder = deployable(path)
    const program = await read(folder)
    const { name } = await nameOfProgram(folder, program, await session(), given)
    const { packed } = await import('@jackcloud/sdk/node')
    return jack.quote({ manifest: packed(program).manifest, name }, { signal })
  },
})

/**
 * The real path of a folder that somebody may mean to publish. Throws a JackError `usage` for one that nobody means: the
 * top of the file system, a home or what is above one, and hidden folders, where keys and settings are.
 */
export function deployable(path: string, here = process.cwd(), home = homedir()): string {
  const named = resolve(here, path)
  if (!existsSync(named) || !statSync(named).isDirectory()) {
    throw new JackError('usage', `There is no folder ${named}.`, {
      hint: `\`path\` is taken from ${here} unless it begins with "/".`,
    })
  }
  const folder = realpathSync(named)
  const base = realpathSync(here)
  const isHome = contains(folder, existsSync(home) ? realpathSync(home) : home)
  if (isHome || folder === dirname(folder)) {
    throw refused(folder, 'is a home, or has homes in it')
  }
  // A checkout may lie in a hidden folder, when that is where we were started.
  const within = contains(base, folder) ? relative(base, folder) : folder
  if (within.split(sep).some((part) => part.startsWith('.'))) {
    throw refused(folder, 'is a hidden folder')
  }
  return folder
}

const contains = (folder: string, path: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)

const refused = (folder: string, why: string): JackError =>
  new JackError('usage', `${folder} is not deployed: it ${why}.`, {
    hint: 'Name the folder of one project. Who means this one deploys it with the command.',
    next: [{ command: `jack deploy ${JSON.stringify(folder)}`, when: 'to deploy it all the same' }],
  })

async function read(folder: string) {
  const { readProgram } = await import('@jackcloud/bundler')
  return readProgram(folder)
}

function orTaken(error: unknown, name: string): unknown {
  if (!(error instanceof JackError && error.code === 'name_taken')) return error
  return new JackError(
    'name_taken',
    `There is a project ${name} already, and nothing says that this folder is it.`,
    {
      hint: `Pass "name": "${name}" to update that project, or another name to make another one.`,
      requestId: error.requestId,
    },
  )
}
