import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { JackError } from '../Errors.ts'

/**
 * Content-addressed files: named by the sha256 of what they hold, written once, never changed.
 * A blob that is there is whole and on disk: it is written aside, synced, then renamed.
 */
export class Blobs {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  async prepare(): Promise<void> {
    await rm(join(this.#dir, 'incoming'), { recursive: true, force: true })
    await mkdir(join(this.#dir, 'incoming'), { recursive: true, mode: 0o700 })
  }

  path(sha256: string): string {
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new RangeError('not a sha256')
    return join(this.#dir, sha256.slice(0, 2), sha256)
  }

  async has(sha256: string): Promise<boolean> {
    return (await this.size(sha256)) !== undefined
  }

  /** Bytes of a blob; undefined when there is none. */
  async size(sha256: string): Promise<number | undefined> {
    return stat(this.path(sha256)).then(
      (it) => it.size,
      () => undefined,
    )
  }

  async read(sha256: string): Promise<Buffer> {
    return readFile(this.path(sha256))
  }

  stream(sha256: string, range?: { start: number; end: number }): Readable {
    return createReadStream(this.path(sha256), range)
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
