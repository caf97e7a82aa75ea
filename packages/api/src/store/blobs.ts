import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { LRUCache } from 'lru-cache'
import { JackError } from '../Errors.ts'

/**
 * Content-addressed files: named by the sha256 of what they hold, written once, never changed.
 * A blob that is there is whole and on disk: it is written aside, synced, then renamed. What the disk makes of it later
 * is found out by its digest before anybody gets it.
 *
 * A blob that nothing needs is collected when nobody has stored or kept it for a while. Several servers may share the
 * folder: everything that matters is one rename or one change of a file's time.
 */
export class Blobs {
  readonly #dir: string
  readonly #onDamage: (path: string) => void
  /** Large blobs whose digest was found right since the start. */
  readonly #right = new LRUCache<string, true>({ max: 10_000 })

  /** @param onDamage hears of a blob that is not there any more, or not what it was; an operator should know */
  constructor(dir: string, onDamage: (path: string) => void = () => {}) {
    this.#dir = dir
    this.#onDamage = onDamage
  }

  async prepare(): Promise<void> {
    await rm(join(this.#dir, 'incoming'), { recursive: true, force: true })
    for (const folder of ['incoming', 'leaving', 'damaged']) {
      await mkdir(join(this.#dir, folder), { recursive: true, mode: 0o700 })
    }
  }

  path(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new RangeError('not a sha256')
    return join(this.#dir, sha256.slice(0, 2), sha256)
  }

  /** Says that a blob is about to be needed, so that it is not collected soon. Its bytes; undefined: there is none. */
  async keep(sha256: string): Promise<number | undefined> {
    const path = this.path(sha256)
    const now = new Date()
    const touch = () => utimes(path, now, now).then(() => true, missing)
    if (!(await touch())) {
      // It is just being collected, and can be taken back.
      await rename(this.#leaving(sha256), path).catch(missing)
      if (!(await touch())) return undefined
    }
    return (await stat(path).catch(missing))?.size
  }

  /** The content. Throws `internal` when it is not what was stored. */
  async read(sha256: string): Promise<Buffer> {
    const path = this.path(sha256)
    const bytes =
      (await readFile(path).catch(missing)) ??
      ((await this.keep(sha256)) === undefined ? undefined : await readFile(path).catch(missing))
    if (!bytes || createHash('sha256').update(bytes).digest('hex') !== sha256)
      throw await this.#damaged(sha256)
    return bytes
  }

  /** The content of a blob too large to read at once; looked through when it is asked for the first time. */
  async stream(sha256: string, range?: { start: number; end: number }): Promise<Readable> {
    if (!this.#right.has(sha256)) {
      const hash = createHash('sha256')
      if ((await this.keep(sha256)) !== undefined)
        await pipeline(createReadStream(this.path(sha256)), hash).catch(missing)
      if (hash.digest('hex') !== sha256) throw await this.#damaged(sha256)
      this.#right.set(sha256, true)
    }
    return createReadStream(this.path(sha256), range)
  }

  /**
   * Deletes what is not needed and was not stored or kept since `before`. Answers how many.
   *
   * @param neededOf those of them that something needs; whoever makes a blob needed keeps it shortly before
   */
  async collect(
    before: Date,
    neededOf: (sha256s: string[]) => Promise<ReadonlySet<string>>,
  ): Promise<number> {
    let collected = 0
    for (const name of await readdir(join(this.#dir, 'leaving'))) await this.keep(name)
    const folders = (await readdir(this.#dir)).filter((name) => /^[0-9a-f]{2}$/.test(name))
    for (const folder of folders) {
      const old: string[] = []
      for (const name of await readdir(join(this.#dir, folder))) {
        const found = await stat(join(this.#dir, folder, name)).catch(missing)
        if (found && found.mtimeMs < before.getTime()) old.push(name)
      }
      const needed = old.length === 0 ? new Set() : await neededOf(old)
      for (const name of old) {
        if (!needed.has(name) && (await this.#collectOne(name, before))) collected++
      }
    }
    return collected
  }

  /**
   * Takes it away before looking a last time: who keeps it before sees to it that it comes back, who wants to keep it
   * after takes it back by himself, or does not find it.
   */
  async #collectOne(sha256: string, before: Date): Promise<boolean> {
    const path = this.path(sha256)
    const leaving = this.#leaving(sha256)
    await rename(path, leaving).catch(missing)
    const found = await stat(leaving).catch(missing)
    if (!found) return false
    if (found.mtimeMs >= before.getTime()) {
      await rename(leaving, path).catch(missing)
      return false
    }
    return rm(leaving).then(
      () => true,
      () => false,
    )
  }

  readonly #leaving = (sha256: string) => join(this.#dir, 'leaving', sha256)

  /** Out of the way, so that storing it once more mends everything that needs it. */
  async #damaged(sha256: string): Promise<JackError> {
    await rename(this.path(sha256), join(this.#dir, 'damaged', sha256)).catch(missing)
    this.#onDamage(this.path(sha256))
    return new JackError('internal', `The stored file ${sha256} is damaged or gone.`, {
      hint: 'Deploying the same again stores it anew; the operator can restore it from a backup.',
    })
  }

  /**
   * Stores content under its digest. Throws `invalid_request` when the content has another sha256, or more than
   * `maxBytes`. Storing what is there already costs only the reading.
   */
  async put(sha256: string, content: Readable | Uint8Array, maxBytes: number): Promise<void> {
    const aside = join(this.#dir, 'incoming', randomUUID())
    const hash = createHash('sha256')
    let sizeBytes = 0
    const checked = async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        sizeBytes += chunk.length
        if (sizeBytes > maxBytes) {
          throw new JackError(
            'body_too_large',
            `A file is larger than the ${maxBytes} bytes it may have.`,
          )
        }
        hash.update(chunk)
        yield chunk
      }
    }
    try {
      const source = content instanceof Uint8Array ? Readable.from([content]) : content
      await pipeline(source, checked, createWriteStream(aside, { mode: 0o600, flush: true }))
      if (hash.digest('hex') !== sha256) {
        throw new JackError(
          'invalid_request',
          `A file does not have the sha256 it is named by: ${sha256}`,
          {
            hint: 'Upload each file as a part whose name is the sha256 of its bytes in lower-case hex.',
          },
        )
      }
      await mkdir(join(this.#dir, sha256.slice(0, 2)), { recursive: true, mode: 0o700 })
      await rename(aside, this.path(sha256))
    } finally {
      await rm(aside, { force: true })
    }
  }

  /** Makes renames durable: after this, every blob that was put survives a power cut. */
  async sync(sha256s: Iterable<string>): Promise<void> {
    const folders = new Set([...sha256s].map((it) => join(this.#dir, it.slice(0, 2))))
    for (const folder of [this.#dir, ...folders]) {
      const handle = await open(folder)
      await handle.sync().finally(() => handle.close())
    }
  }
}

/** For a file that is not there, undefined; any other error is thrown. */
function missing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}
