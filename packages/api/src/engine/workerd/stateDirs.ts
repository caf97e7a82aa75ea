import {
  chmodSync,
  type Dir,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  opendirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
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
    // A crash cut these off.
    for (const name of readdirSync(this.#root))
      if (name.startsWith(TRIAL)) rmSync(join(this.#root, name), { recursive: true, force: true })
  }

  /** A place for what is thrown away, named by an id. */
  trial(id: string): string {
    return this.path(`${TRIAL}${id}`)
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
    return this.#known(projectId)
  }

  /**
   * Writes down that the project keeps data from now on, and in which databases. Throws `app_failed` when that was
   * written down before, and the data is gone: nobody should go on without it and not know.
   */
  note(projectId: string, databases: string[]): void {
    const names = this.#names(projectId)
    const noted = existsSync(names)
    if (noted && !existsSync(this.path(projectId)))
      throw new JackError('app_failed', 'The data of this project is not where it was kept.', {
        hint: `The operator restores it from a backup, or deletes ${basename(this.#names(projectId))} to begin without.`,
      })
    // In one step: nobody else writes in between, and a crash leaves the one or the other.
    const known = this.#known(projectId)
    const all = [...new Set([...known, ...databases])].sort()
    if (noted && all.length === known.length) return
    mkdirSync(this.path(projectId), { recursive: true, mode: 0o700 })
    writeFileSync(`${names}.new`, JSON.stringify(all))
    renameSync(`${names}.new`, names)
  }

  /** Bytes on disk; when they are more than `enough`, it need not be known how many. */
  async sizeBytes(projectId: string, enough = Number.POSITIVE_INFINITY): Promise<number> {
    return sizeOf(this.path(projectId), enough)
  }

  #known(projectId: string): string[] {
    try {
      return JSON.parse(readFileSync(this.#names(projectId), 'utf8'))
    } catch {
      return []
    }
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

const TRIAL = 'trial_'
const ELSEWHERE = '/var/lib/jack-state'

/** Makes the directory, and gives everything in it to the user that its process will have. */
export async function prepareState(dir: string, uid: number | undefined): Promise<void> {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  if (uid === undefined || lstatSync(dir).uid === uid) return
  for await (const path of below(dir)) lchownSync(path, uid, uid)
  // Last, so that what is cut off is begun again.
  lchownSync(dir, uid, uid)
}

/** User of a directory, undefined when it is not there. */
export const ownerOf = (dir: string): number | undefined =>
  lstatSync(dir, { throwIfNoEntry: false })?.uid

/** Bytes that a folder takes, at most a little more than `enough`. An empty file takes room too. */
async function sizeOf(dir: string, enough: number): Promise<number> {
  let sum = 0
  for await (const path of below(dir)) {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found) sum += Math.max(found.blocks * 512, found.size, ENTRY_BYTES)
    if (sum > enough) break
  }
  return sum
}

/**
 * Every path below a folder that is short enough to be one. There may be very many, so that others get their turn in
 * between.
 */
async function* below(dir: string): AsyncGenerator<string> {
  const folders = [dir]
  let seen = 0
  for (const folder of folders) {
    const opened = openFolder(folder)
    if (!opened) continue
    try {
      for (let entry = opened.readSync(); entry; entry = opened.readSync()) {
        const path = join(folder, entry.name)
        if (Buffer.byteLength(path) > MOST_PATH_BYTES) continue
        if (entry.isDirectory()) folders.push(path)
        yield path
        if (++seen % SLICE === 0) await setImmediate()
      }
    } finally {
      opened.closeSync()
    }
  }
}

function openFolder(path: string): Dir | undefined {
  try {
    return opendirSync(path)
  } catch {
    return undefined
  }
}

const ENTRY_BYTES = 4_096
const SLICE = 500
const MOST_PATH_BYTES = 4_000
