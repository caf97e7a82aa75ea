import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'

/** Writes a tar.gz while it is being made: nothing is held but what is on its way. */
export class Archive {
  /** The sha256 of every file so far, by name. */
  readonly checksums: Record<string, string> = {}
  readonly #pack = pack()
  readonly #written: Promise<void>

  readonly #scratchDir: string

  /**
   * @param out ends with the archive; when it breaks, so do `add` and `finish`
   * @param scratchDir where folders can be put together
   */
  constructor(out: Writable, scratchDir: string) {
    this.#scratchDir = scratchDir
    this.#written = pipeline(this.#pack, createGzip({ level: 4 }), out)
    // Heard by whoever adds or finishes.
    this.#written.catch(() => {})
  }

  /** Adds a file. A stream must have as many bytes as it is said to have. */
  async add(name: string, content: string | Uint8Array): Promise<void>
  async add(name: string, content: Readable, sizeBytes: number): Promise<void>
  async add(
    name: string,
    content: string | Uint8Array | Readable,
    sizeBytes = Buffer.byteLength(content as string),
  ): Promise<void> {
    const hash = createHash('sha256')
    const counted = new Transform({
      transform(chunk, _encoding, done) {
        hash.update(chunk)
        done(null, chunk)
      },
    })
    const source =
      content instanceof Readable ? content : Readable.from([Buffer.from(content as string)])
    const entry = this.#pack.entry({ name, size: sizeBytes, mode: 0o600 })
    await Promise.race([
      pipeline(source, counted, entry),
      // Without a reader the entry would wait for ever.
      this.#written.then(() => {
        throw new Error('The archive ended early.')
      }),
    ])
    this.checksums[name] = hash.digest('hex')
  }

  /**
   * Adds every file of a folder, under a name in the archive.
   *
   * @param fill puts the files into the folder, which is deleted afterwards
   */
  async addFolder(name: string, fill: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(this.#scratchDir, 'copy-'))
    try {
      await fill(folder)
      await this.#addTree(name, folder)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  async #addTree(name: string, folder: string): Promise<void> {
    const entries = await readdir(folder, { withFileTypes: true })
    // That there is nothing in it may matter.
    if (entries.length === 0) this.#pack.entry({ name: `${name}/`, type: 'directory', mode: 0o700 })
    for (const entry of entries) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) await this.#addTree(`${name}/${entry.name}`, path)
      else await this.add(`${name}/${entry.name}`, createReadStream(path), (await stat(path)).size)
    }
  }

  async finish(): Promise<void> {
    this.#pack.finalize()
    await this.#written
  }

  /** Breaks off: whoever reads it sees that it is not whole. */
  async fail(error: unknown): Promise<void> {
    this.#pack.destroy(error as Error)
    await this.#written.catch(() => {})
  }
}
