import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Binary } from './binary.ts'
import { type Config, configDigest } from './config.ts'

/** Compiled configs on disk, by what they were compiled from. */
export class Configs {
  readonly #dir: string
  readonly #binary: Binary
  /** When somebody last asked for a config, in milliseconds since 1970. */
  readonly #asked = new Map<string, number>()
  readonly #compiling = new Map<string, Promise<string>>()

  constructor(dir: string, binary: Binary) {
    this.#dir = dir
    this.#binary = binary
    // Processes under other user ids pass through, and cannot list.
    mkdirSync(dir, { recursive: true, mode: 0o711 })
  }

  digest(config: Config): string {
    return configDigest(config, this.#binary.version)
  }

  /** Path of the compiled config if it is there and whole. */
  async find(digest: string): Promise<string | undefined> {
    const path = join(this.#dir, `${digest}.bin`)
    this.#asked.set(digest, Date.now())
    const [bytes, sum] = await Promise.all([
      readFile(path).catch(() => undefined),
      readFile(`${path}.sum`, 'utf8').catch(() => undefined),
    ])
    return bytes && sha256(bytes) === sum ? path : undefined
  }

  /** Deletes what nobody asked for since `before`, and what a crash left half done. */
  async trim(before: Date): Promise<void> {
    const isOld = (at: number) => at < before.getTime()
    for (const name of await readdir(this.#dir)) {
      const path = join(this.#dir, name)
      const digest = name.replace(/\..*$/, '')
      const changedAt = (await stat(path).catch(() => undefined))?.mtimeMs
      // Looked up last, with nothing between that look and the deletion: a start may ask at any moment.
      if (changedAt !== undefined && isOld(changedAt) && isOld(this.#asked.get(digest) ?? 0))
        rmSync(path, { recursive: true, force: true })
    }
    for (const [digest, at] of this.#asked) if (isOld(at)) this.#asked.delete(digest)
  }

  /** Compiles once for many callers. Throws what workerd says about the config. */
  async compile(config: Config): Promise<string> {
    const digest = this.digest(config)
    const found = await this.find(digest)
    if (found) return found
    const running = this.#compiling.get(digest)
    if (running !== undefined) return running
    const compiling = this.#compile(config, join(this.#dir, `${digest}.bin`)).finally(() =>
      this.#compiling.delete(digest),
    )
    this.#compiling.set(digest, compiling)
    return compiling
  }

  async #compile(config: Config, path: string): Promise<string> {
    const work = await mkdtemp(join(this.#dir, 'compile-'))
    try {
      await Promise.all([
        writeFile(join(work, 'config.capnp'), config.text),
        ...Object.entries(config.files).map(([name, bytes]) => writeFile(join(work, name), bytes)),
      ])
      const { stdout } = await promisify(execFile)(
        this.#binary.path,
        ['compile', '--config-only', 'config.capnp'],
        { cwd: work, env: {}, encoding: 'buffer', maxBuffer: 256 * 1048576 },
      )
      const partial = `${path}.${randomUUID()}`
      await writeFile(partial, stdout, { mode: 0o644 })
      await writeFile(`${path}.sum`, sha256(stdout), { mode: 0o600 })
      await rename(partial, path)
      return path
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
