import {
  chmodSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { JackError } from '../../Errors.ts'
import { reachable } from './binary.ts'
import { copyTree } from './copyTree.ts'

/**
 * Where projects keep data, one directory each, named by the project's id. What is in them was written by a hostile
 * process: nothing here follows a link.
 */
export class StateDirs {
  readonly #root: string

  /** @param dataDir its folder `state` holds the directories, or leads to where sandboxed users can reach them */
  constructor(dataDir: string) {
    this.#root = stateRoot(dataDir)
  }

  path(projectId: string): string {
    if (!/^[A-Za-z0-9_]+$/.test(projectId)) throw new RangeError(`not a project: ${projectId}`)
    return join(this.#root, projectId)
  }

  /** The projects that have data here. */
  async list(): Promise<string[]> {
    return (await readdir(this.#root)).filter((name) => /^prj_[a-z0-9]+$/.test(name))
  }

  /** Copies everything of a project into a folder, under the names that it has here. */
  async copy(projectId: string, to: string): Promise<void> {
    await mkdir(to, { recursive: true, mode: 0o700 })
    for (const path of [this.path(projectId), this.#names(projectId)])
      await copyTree(this.#root, path, join(to, basename(path)))
  }

  async remove(projectId: string): Promise<void> {
    await Promise.all([
      rm(this.path(projectId), { recursive: true, force: true }),
      rm(this.#names(projectId), { force: true }),
    ])
  }

  /** Names of the databases that were ever opened: on disk they are only known by a hash of it. */
  async databases(projectId: string): Promise<string[]> {
    try {
      return JSON.parse(await readFile(this.#names(projectId), 'utf8'))
    } catch {
      return []
    }
  }

  /**
   * Writes down that the project keeps data from now on, and in which databases. Throws `app_failed` when that was
   * written down before, and the data is gone: nobody should go on without it and not know.
   */
  async note(projectId: string, databases: string[]): Promise<void> {
    const noted = existsSync(this.#names(projectId))
    if (noted && !existsSync(this.path(projectId)))
      throw new JackError('app_failed', 'The data of this project is not where it was kept.', {
        hint: `The operator restores it from a backup, or deletes ${basename(this.#names(projectId))} to begin without.`,
      })
    const known = await this.databases(projectId)
    const all = [...new Set([...known, ...databases])].sort()
    if (noted && all.length === known.length) return
    mkdirSync(this.path(projectId), { recursive: true, mode: 0o700 })
    await writeFile(this.#names(projectId), JSON.stringify(all))
  }

  /** Bytes on disk. */
  async sizeBytes(projectId: string): Promise<number> {
    return sizeOf(this.path(projectId))
  }

  readonly #names = (projectId: string) => `${this.path(projectId)}.databases.json`
}

/** The folder that holds the data of all projects; made when it is missing. */
export function stateRoot(dataDir: string): string {
  const near = join(dataDir, 'state')
  const made = join(dataDir, 'state.made')
  mkdirSync(dataDir, { recursive: true })
  if (!existsSync(near)) {
    if (existsSync(made))
      throw new JackError('unavailable', `${near} is gone, and with it what projects keep.`, {
        hint: `Restore it from a backup, or delete ${made} to begin without.`,
      })
    // As root, processes run under users of their own, who must be able to walk there.
    if (process.getuid?.() === 0 && !reachable(realpathSync(dataDir))) {
      mkdirSync(ELSEWHERE, { recursive: true })
      chmodSync(ELSEWHERE, 0o711)
      symlinkSync(mkdtempSync(join(ELSEWHERE, `${basename(dataDir)}-`)), near)
    } else mkdirSync(near)
  }
  const root = realpathSync(near)
  chmodSync(root, 0o711)
  writeFileSync(made, '')
  return root
}

const ELSEWHERE = '/var/lib/jack-state'

/** Makes the directory, and gives everything in it to the user that its process will have. */
export function prepareState(dir: string, uid: number | undefined): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  if (uid !== undefined && lstatSync(dir).uid !== uid) giveTo(dir, uid)
}

/** User of a directory, undefined when it is not there. */
export const ownerOf = (dir: string): number | undefined =>
  lstatSync(dir, { throwIfNoEntry: false })?.uid

function giveTo(path: string, uid: number): void {
  const found = lstatSync(path)
  if (found.isDirectory()) for (const name of readdirSync(path)) giveTo(join(path, name), uid)
  lchownSync(path, uid, uid)
}

async function sizeOf(dir: string): Promise<number> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => [])
  const sizes = entries.map(async (entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return sizeOf(path)
    if (!entry.isFile()) return 0
    const found = await stat(path).catch(() => undefined)
    return (found?.blocks ?? 0) * 512
  })
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
