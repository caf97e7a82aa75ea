import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  renameSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The workerd that runs programs: where it is, its version, and the libraries it loads. */
export interface Binary {
  path: string
  version: string
  /** Absolute paths, the loader included. */
  libraries: string[]
}

/** Finds workerd of the npm package; copies it into `dir` when other users could not reach it where it is. */
export function findBinary(dir: string): Binary {
  const installed = createRequire(import.meta.url)('workerd')
  const found: string = installed.default
  const version: string = installed.version
  const path = reachable(found) ? found : copyOnce(found, join(dir, `workerd-${version}`))
  return { path, version, libraries: loadedLibraries(path) }
}

/** Whether any user may pass through every directory on the way. */
export function reachable(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

function copyOnce(from: string, to: string): string {
  if (existsSync(to) && statSync(to).size === statSync(from).size) return to
  mkdirSync(dirname(to), { recursive: true, mode: 0o711 })
  const partial = `${to}.${process.pid}`
  try {
    linkSync(from, partial)
  } catch {
    copyFileSync(from, partial, constants.COPYFILE_FICLONE)
    chmodSync(partial, 0o755)
  }
  renameSync(partial, to)
  return to
}

/** What ldd prints, asked of the loader itself: ldd is not everywhere. */
function loadedLibraries(path: string): string[] {
  if (process.platform !== 'linux') return []
  try {
    const env = { LD_TRACE_LOADED_OBJECTS: '1' }
    const text = execFileSync(path, [], {
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return [...text.matchAll(/(?:=>\s+|^\s*)(\/\S+)\s+\(0x/gm)].map((match) => match[1] as string)
  } catch {
    return []
  }
}
