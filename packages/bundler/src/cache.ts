import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TarFile } from './tar.ts'

/** A package as it lies in the cache. */
export interface CachedPackage {
  /** Absolute path of its folder. */
  folder: string
  /** Every file that is there, relative to the folder. */
  files: ReadonlySet<string>
  sizeBytes: number
}

/** What was used within this time stays, however full the cache is: somebody may be reading it. */
const inUseMs = 10 * 60_000

/**
 * Unpacked npm packages by the integrity of their archives, shared by all processes of a user.
 * Nothing is changed once it is there: a package is written aside and moved in with one rename.
 */
export class Cache {
  readonly root: string
  readonly #maxBytes: number

  constructor(root: string, maxBytes: number) {
    this.root = join(root, 'v1')
    this.#maxBytes = maxBytes
  }

  async find(integrity: string): Promise<CachedPackage | undefined> {
    const home = this.#home(integrity)
    const listing = await readFile(join(home, 'listing.json'), 'utf8').catch(() => undefined)
    if (listing === undefined) return undefined
    const { files, sizeBytes } = JSON.parse(listing) as { files: string[]; sizeBytes: number }
    await touch(home)
    return { folder: join(home, 'package'), files: new Set(files), sizeBytes }
  }

  /** Keeps a package; when another process was faster, that one stays. */
  async put(integrity: string, files: TarFile[]): Promise<CachedPackage> {
    const aside = join(this.root, 'aside', randomUUID())
    const sizeBytes = files.reduce((sum, file) => sum + file.bytes.byteLength, 0)
    const folders = new Set(files.map((file) => dirname(file.path)))
    for (const folder of ['.', ...folders])
      await mkdir(join(aside, 'package', folder), { recursive: true })
    for (let at = 0; at < files.length; at += 32) {
      const part = files.slice(at, at + 32)
      await Promise.all(
        part.map((file) =>
          writeFile(join(aside, 'package', file.path), file.bytes, { flag: 'wx', mode: 0o644 }),
        ),
      )
    }
    const listing = JSON.stringify({ sizeBytes, files: files.map((file) => file.path) })
    await writeFile(join(aside, 'listing.json'), listing)
    const home = this.#home(integrity)
    await mkdir(dirname(home), { recursive: true })
    try {
      await rename(aside, home)
    } catch (error) {
      await rm(aside, { recursive: true, force: true })
      const found = await this.find(integrity)
      if (found) return found
      throw error
    }
    await this.trim()
    return {
      folder: join(home, 'package'),
      files: new Set(files.map((file) => file.path)),
      sizeBytes,
    }
  }

  /** What the registry said about a package, with its age in ms. */
  async note(name: string): Promise<{ text: string; ageMs: number } | undefined> {
    const file = this.#notePath(name)
    const found = await stat(file).catch(() => undefined)
    if (!found) return undefined
    const text = await readFile(file, 'utf8').catch(() => undefined)
    return text === undefined ? undefined : { text, ageMs: Math.max(0, Date.now() - found.mtimeMs) }
  }

  async putNote(name: string, text: string): Promise<void> {
    const file = this.#notePath(name)
    const aside = join(this.root, 'aside', randomUUID())
    await mkdir(dirname(aside), { recursive: true })
    await mkdir(dirname(file), { recursive: true })
    await writeFile(aside, text)
    await rename(aside, file)
  }

  /** Deletes what was used longest ago until the packages and notes fit the limit again. */
  async trim(): Promise<void> {
    const entries = [...(await this.#packages()), ...(await this.#notes())]
    let total = entries.reduce((sum, entry) => sum + entry.sizeBytes, 0)
    if (total <= this.#maxBytes) return
    entries.sort((a, b) => a.usedMs - b.usedMs)
    for (const entry of entries) {
      if (total <= this.#maxBytes * 0.9 || Date.now() - entry.usedMs < inUseMs) break
      // Moved aside first, so that nobody finds a half-deleted package.
      const aside = join(this.root, 'aside', randomUUID())
      const moved = await rename(entry.path, aside).then(
        () => true,
        () => false,
      )
      if (moved) await rm(aside, { recursive: true, force: true })
      total -= entry.sizeBytes
    }
    await this.#sweepAside()
  }

  async #packages(): Promise<Entry[]> {
    const entries: Entry[] = []
    for (const name of await readdir(join(this.root, 'packages')).catch(() => [])) {
      const path = join(this.root, 'packages', name)
      const used = await stat(path).catch(() => undefined)
      const listing = await readFile(join(path, 'listing.json'), 'utf8').catch(() => undefined)
      if (!used || listing === undefined) continue
      entries.push({
        path,
        usedMs: used.mtimeMs,
        sizeBytes: (JSON.parse(listing) as { sizeBytes: number }).sizeBytes,
      })
    }
    return entries
  }

  async #notes(): Promise<Entry[]> {
    const entries: Entry[] = []
    for (const name of await readdir(join(this.root, 'notes')).catch(() => [])) {
      const path = join(this.root, 'notes', name)
      const found = await stat(path).catch(() => undefined)
      if (found) entries.push({ path, usedMs: found.mtimeMs, sizeBytes: found.size })
    }
    return entries
  }

  /** What a process that was killed has left behind. */
  async #sweepAside(): Promise<void> {
    for (const name of await readdir(join(this.root, 'aside')).catch(() => [])) {
      const path = join(this.root, 'aside', name)
      const found = await stat(path).catch(() => undefined)
      if (found && Date.now() - found.mtimeMs > inUseMs)
        await rm(path, { recursive: true, force: true })
    }
  }

  #home(integrity: string): string {
    return join(this.root, 'packages', hash(integrity))
  }

  #notePath(name: string): string {
    return join(this.root, 'notes', `${hash(name)}.json`)
  }
}

interface Entry {
  path: string
  usedMs: number
  sizeBytes: number
}

/** Where packages are kept unless the caller says otherwise. */
export function defaultCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'jack', 'packages')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'jack', 'packages')
  if (process.platform === 'win32' && env.LOCALAPPDATA)
    return join(env.LOCALAPPDATA, 'jack', 'cache', 'packages')
  return join(homedir(), '.cache', 'jack', 'packages')
}

async function touch(home: string): Promise<void> {
  const found = await stat(home).catch(() => undefined)
  if (!found || Date.now() - found.mtimeMs < 60_000) return
  const now = new Date()
  await utimes(home, now, now).catch(() => undefined)
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 40)
}
