import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import pacote, { type Options } from 'pacote'
import type { Cache } from './cache.ts'
import type { Limits } from './Limits.ts'
import { npmConfig } from './npmConfig.ts'
import { readTar } from './tar.ts'
import { openUnpacked, type Unpacked } from './Unpacked.ts'

/** What the registry knows of one version, as far as a bundle needs it. */
export interface Version {
  dependencies: Record<string, string>
  peers: Record<string, string>
  /** Names that may be absent: optional dependencies and optional peers. */
  optional: string[]
  integrity: string
  tarball: string
  deprecated?: boolean
}

export interface Listing {
  tags: Record<string, string>
  versions: Record<string, Version>
}

/** `package_not_found`, `offline`, `too_large`, `unreachable`, `damaged`. */
export class RegistryError extends Error {
  readonly reason: 'package_not_found' | 'offline' | 'too_large' | 'unreachable' | 'damaged'
  constructor(reason: RegistryError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

/** For this long the registry is not asked again about a package that is known. */
const freshMs = 60 * 60_000
const maxKept = 500

/** Listings in memory, shared by all bundles of the process. The key names cache and package. */
const listings = new Map<string, { listing: Listing; untilMs: number }>()
/** Packages that were read lately. The key names cache and integrity. */
const opened = new Map<string, { unpacked: Unpacked; untilMs: number }>()
const underway = new Map<string, Promise<unknown>>()

export class Registry {
  readonly #cache: Cache
  readonly #limits: Limits
  readonly #offline: boolean

  constructor(cache: Cache, limits: Limits, offline: boolean) {
    this.#cache = cache
    this.#limits = limits
    this.#offline = offline
  }

  /**
   * Versions and dependencies of a package. `satisfied` says whether what is known will do, so that
   * a version that was published a minute ago is found although the listing is not an hour old.
   */
  async listing(name: string, satisfied: (listing: Listing) => boolean): Promise<Listing> {
    const key = `${this.#cache.root}\n${name}`
    const known = listings.get(key)
    if (known && (known.untilMs > Date.now() || this.#offline) && satisfied(known.listing))
      return known.listing
    return once(`listing\n${key}`, async () => {
      const options = await this.#options()
      const noteName = `${options.registry ?? 'default'} ${name}`
      const note = await this.#cache.note(noteName)
      const old = note && (JSON.parse(note.text) as Listing)
      if (note && old && (note.ageMs < freshMs || this.#offline) && satisfied(old)) {
        return remember(key, old, freshMs - note.ageMs)
      }
      if (this.#offline)
        throw new RegistryError(
          'offline',
          `${name} is not in the package cache, and the bundler is offline.`,
        )
      try {
        const listing = await this.#fetchListing(name, options)
        await this.#cache.putNote(noteName, JSON.stringify(listing))
        return remember(key, listing, freshMs)
      } catch (error) {
        // An old answer is better than none while the registry is away.
        if (
          old &&
          satisfied(old) &&
          error instanceof RegistryError &&
          error.reason === 'unreachable'
        )
          return old
        throw error
      }
    })
  }

  /** The unpacked package, from the cache or, checked against `integrity`, from the registry. */
  async unpacked(
    name: string,
    version: string,
    integrity: string,
    tarball?: string,
  ): Promise<Unpacked> {
    const key = `${this.#cache.root}\n${integrity}`
    const known = opened.get(key)
    // Looked up again each minute, which marks it as used and notices when it was cleared away.
    if (known && known.untilMs > Date.now()) return known.unpacked
    return once(`package\n${key}`, async () => {
      const cached =
        (await this.#cache.find(integrity)) ??
        (await this.#fetchPackage(name, version, integrity, tarball))
      const unpacked = known?.unpacked ?? (await openUnpacked(cached))
      keep(opened, key, { unpacked, untilMs: Date.now() + 60_000 })
      return unpacked
    })
  }

  async #fetchPackage(
    name: string,
    version: string,
    integrity: string,
    tarball: string | undefined,
  ) {
    const spec = `${name}@${version}`
    if (this.#offline) {
      throw new RegistryError(
        'offline',
        `${spec} is not in the package cache, and the bundler is offline.`,
      )
    }
    const archive = await this.#fetchArchive(spec, integrity, tarball)
    return this.#cache.put(integrity, await this.#unpack(spec, archive))
  }

  async #fetchListing(name: string, options: Options): Promise<Listing> {
    const answer = await this.#inTime(name, pacote.packument(name, options))
    const listing: Listing = { tags: { ...answer['dist-tags'] }, versions: {} }
    for (const [version, manifest] of Object.entries(answer.versions)) {
      const { dist } = manifest
      const integrity =
        dist?.integrity ??
        (dist?.shasum && `sha1-${Buffer.from(dist.shasum, 'hex').toString('base64')}`)
      if (!integrity || !dist?.tarball) continue
      const meta = (manifest as { peerDependenciesMeta?: Record<string, { optional?: boolean }> })
        .peerDependenciesMeta
      const optionalPeers = Object.entries(meta ?? {}).flatMap(([peer, { optional }]) =>
        optional ? [peer] : [],
      )
      listing.versions[version] = {
        dependencies: { ...manifest.dependencies, ...manifest.optionalDependencies },
        peers: { ...manifest.peerDependencies },
        optional: [...Object.keys(manifest.optionalDependencies ?? {}), ...optionalPeers],
        integrity,
        tarball: dist.tarball,
        ...(manifest.deprecated ? { deprecated: true } : {}),
      }
    }
    return listing
  }

  async #fetchArchive(
    spec: string,
    integrity: string,
    tarball: string | undefined,
  ): Promise<Buffer> {
    const options = {
      ...(await this.#options()),
      integrity,
      ...(tarball ? { resolved: tarball } : {}),
    }
    const limit = this.#limits.packageBytes
    const fetched = pacote.tarball.stream(
      spec,
      async (stream) => {
        const chunks: Buffer[] = []
        let size = 0
        for await (const chunk of stream) {
          size += chunk.length
          if (size > limit)
            throw new RegistryError('too_large', `${spec} is over the limit of ${limit} bytes.`)
          chunks.push(chunk)
        }
        return Buffer.concat(chunks)
      },
      options,
    )
    return this.#inTime(spec, fetched)
  }

  async #unpack(spec: string, archive: Buffer) {
    const limit = this.#limits.packageBytes
    try {
      const unzipped = await promisify(gunzip)(archive, { maxOutputLength: limit })
      // Type declarations and source maps cannot become part of a program.
      return readTar(unzipped, this.#limits.packageFiles).filter(
        (file) => !/\.d\.[cm]?ts$|\.(?:map|tsbuildinfo|flow)$/.test(file.path),
      )
    } catch (error) {
      const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      if (tooLarge)
        throw new RegistryError('too_large', `${spec} unpacks to more than ${limit} bytes.`)
      throw new RegistryError('damaged', `${spec}: ${(error as Error).message}`)
    }
  }

  async #options(): Promise<Options> {
    return {
      ...(await npmConfig()),
      timeout: this.#limits.fetchMs,
      fetchRetries: 1,
      fetchRetryMintimeout: 500,
      fetchRetryMaxtimeout: 2_000,
    } as Options
  }

  async #inTime<Value>(spec: string, work: Promise<Value>): Promise<Value> {
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(
      () =>
        reject(
          new RegistryError(
            'unreachable',
            `The npm registry did not answer for ${spec} in ${this.#limits.fetchMs} ms.`,
          ),
        ),
      this.#limits.fetchMs,
    )
    try {
      return await Promise.race([work, late])
    } catch (error) {
      throw asRegistryError(spec, error)
    } finally {
      clearTimeout(timer)
    }
  }
}

function asRegistryError(spec: string, error: unknown): RegistryError {
  if (error instanceof RegistryError) return error
  const { code, message } = error as { code?: string; message: string }
  if (code === 'E404')
    return new RegistryError('package_not_found', `There is no package ${spec} on npm.`)
  if (code === 'EINTEGRITY') {
    return new RegistryError('damaged', `${spec} is not the file that its integrity promises.`)
  }
  // The registry's address may carry credentials, so only the kind of failure is told.
  const kind = code ?? (/timeout/i.test(message) ? 'timeout' : 'error')
  return new RegistryError(
    'unreachable',
    `The npm registry could not be asked for ${spec} (${kind}).`,
  )
}

function remember(key: string, listing: Listing, ms: number): Listing {
  keep(listings, key, { listing, untilMs: Date.now() + ms })
  return listing
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > maxKept && oldest !== undefined) map.delete(oldest)
}

/** Runs the same work once for everybody who asks while it is under way. */
async function once<Value>(key: string, work: () => Promise<Value>): Promise<Value> {
  const running = underway.get(key)
  if (await running) return running as Promise<Value>
  const started = work().finally(() => underway.delete(key))
  underway.set(key, started)
  return started
}
