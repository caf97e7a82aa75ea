import { constants } from 'node:fs'
import { copyFile, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** A process that writes into a project's data. */
export interface Writer {
  projectId: string
  pid: number
}

/**
 * What projects keep on disk: SQLite files of key-value stores, databases and objects, in one folder each, named by
 * the project's id. The engine writes them; here they are copied and deleted.
 */
export class StateFiles {
  readonly #root: string
  readonly #writers: () => Writer[]

  /** @param writers the processes that run now */
  constructor(root: string, writers: () => Writer[]) {
    this.#root = root
    this.#writers = writers
  }

  /** Ids of the projects that keep something. */
  async projects(): Promise<string[]> {
    const names = await readdir(this.#root).catch(() => [])
    return [...new Set(names.flatMap((name) => /^(prj_[a-z0-9]+)(?:\.|$)/.exec(name)?.[1] ?? []))]
  }

  /** Deletes what a project keeps. Its processes must have ended. */
  async remove(projectId: string): Promise<void> {
    for (const name of await this.#of(projectId)) {
      await rm(join(this.#root, name), { recursive: true, force: true })
    }
  }

  /**
   * Copies a project's files as they are at one moment: its processes stand still meanwhile. What SQLite left in a
   * write-ahead log comes along and is applied when the copy is opened, as after a power cut.
   *
   * @param to a folder, made when there is something to copy
   */
  async copy(projectId: string, to: string): Promise<void> {
    const writers = new Set<number>()
    const stopAll = () => {
      for (const { pid } of this.#writers().filter((it) => it.projectId === projectId)) {
        if (!writers.has(pid) && signal(pid, 'SIGSTOP')) writers.add(pid)
      }
      return writers.size
    }
    try {
      for (let standing = stopAll(); ; ) {
        await this.#copyAll(projectId, to)
        // One that was started meanwhile may have written: once more, with that one standing too.
        const before = standing
        standing = stopAll()
        if (standing === before) return
        await rm(to, { recursive: true, force: true })
      }
    } finally {
      for (const pid of writers) signal(pid, 'SIGCONT')
    }
  }

  async #copyAll(projectId: string, to: string): Promise<void> {
    const names = await this.#of(projectId)
    if (names.length === 0) return
    const root = await realpath(this.#root)
    await mkdir(to, { recursive: true, mode: 0o700 })
    for (const name of names) await copyTree(root, join(root, name), join(to, name))
  }

  async #of(projectId: string): Promise<string[]> {
    if (!/^prj_[a-z0-9]+$/.test(projectId)) throw new RangeError(`not a project: ${projectId}`)
    const names = await readdir(this.#root).catch(() => [])
    return names.filter((name) => name === projectId || name.startsWith(`${projectId}.`))
  }
}

/**
 * Regular files only, and none by a detour: a hostile program wrote here, and may put links in place of its folders
 * at any moment.
 */
async function copyTree(root: string, from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (!entries) return copyPlainFile(root, from, to)
  await mkdir(to, { recursive: true, mode: 0o700 })
  for (const entry of entries) {
    const path = join(from, entry.name)
    if (entry.isDirectory()) await copyTree(root, path, join(to, entry.name))
    else if (entry.isFile()) await copyPlainFile(root, path, join(to, entry.name))
  }
}

async function copyPlainFile(root: string, from: string, to: string): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(from, flags).catch(() => undefined)
  if (!file) return
  try {
    const opened = await file.stat({ bigint: true })
    const folder = await realpath(dirname(from))
    const inside = folder === root || folder.startsWith(root + sep)
    const named = inside && (await stat(join(folder, basename(from)), { bigint: true }))
    if (!opened.isFile() || !named || named.ino !== opened.ino || named.dev !== opened.dev) return
    // The kernel copies, and shares the blocks where the file system can.
    if (process.platform === 'linux')
      await copyFile(`/proc/self/fd/${file.fd}`, to, constants.COPYFILE_FICLONE)
    else
      await pipeline(
        file.createReadStream({ autoClose: false }),
        (await open(to, 'w', 0o600)).createWriteStream(),
      )
  } finally {
    await file.close()
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
