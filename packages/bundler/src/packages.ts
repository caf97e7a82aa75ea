import semver from 'semver'
import { Cache } from './cache.ts'
import type { Limits } from './Limits.ts'
import type { Lockfile } from './lockfile.ts'
import type { Contents } from './packageExports.ts'
import { type Listing, Registry, RegistryError, type Version } from './registry.ts'

/** A package that became part of a bundle. */
export interface UsedPackage {
  name: string
  version: string
  /** The range, tag or exact version that was asked for, for example `^4.0.0`. */
  requested: string
  /** The checksum of its archive; undefined for a package from a node_modules folder. */
  integrity?: string
  /** Nothing said which version, so it is the newest of today. */
  latest: boolean
}

/** A package that is ready to be read. */
export interface OpenPackage {
  /** `name@version`, which is also its place in source maps. */
  id: string
  used: UsedPackage
  contents: Contents
  /** Throws when the file is not in the package's own folder. */
  read(file: string): Promise<Uint8Array>
}

/** Why a package cannot be had, with what to do about it. */
export class PackageError extends Error {
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

/** What the program itself says about its dependencies. */
export interface Declared {
  name: string | undefined
  dependencies: ReadonlyMap<string, string>
}

/**
 * The npm packages of one bundle. Which version an import gets depends only on who imports it and
 * on what is declared, never on the order in which imports are met, so that a bundle is the same
 * each time.
 */
export class Packages {
  readonly #registry: Registry
  readonly #limits: Limits
  readonly #declared: Declared
  readonly #lockfile: Lockfile | undefined
  readonly #open = new Map<string, Promise<OpenPackage>>()
  /** How an open package's own imports are decided, by its id. */
  readonly #origins = new Map<string, Origin>()
  /** Names that the registry was asked about, whether or not they exist. */
  readonly #asked = new Set<string>()
  #unpackedBytes = 0

  constructor(options: {
    cacheDir: string
    limits: Limits
    offline: boolean
    declared: Declared
    lockfile: Lockfile | undefined
  }) {
    const cache = new Cache(options.cacheDir, options.limits.cacheBytes)
    this.#registry = new Registry(cache, options.limits, options.offline)
    this.#limits = options.limits
    this.#declared = options.declared
    this.#lockfile = options.lockfile
  }

  /** All packages that were opened, sorted by name and version. */
  async used(): Promise<UsedPackage[]> {
    const opened = await Promise.all([...this.#open.values()])
    return opened
      .map(({ used }) => used)
      .sort((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1))
  }

  get(id: string): Promise<OpenPackage> | undefined {
    return this.#open.get(id)
  }

  /** The package that `name` means to the importer: an id, or undefined for the program itself. */
  async resolve(name: string, importer: string | undefined): Promise<OpenPackage> {
    const origin = importer === undefined ? undefined : this.#origins.get(importer)
    const locked = this.#lockfile?.find(origin?.location, name)
    if (locked) return this.#openLocked(name, locked, importer)
    this.#asked.add(name)
    if (this.#asked.size > this.#limits.packages) throw this.#tooMany()
    const request = await this.#request(name, origin)
    return this.#openRequested(request, origin?.name)
  }

  /** Whether the importing package can live without `name`. */
  isOptional(name: string, importer: string): boolean {
    const origin = this.#origins.get(importer)
    if (!origin) return false
    return origin.optional.has(name) || !(origin.dependencies.has(name) || origin.peers.has(name))
  }

  async #request(name: string, origin: Origin | undefined): Promise<Request> {
    const declared = this.#declared.dependencies.get(name)
    if (!origin) {
      return declared === undefined
        ? { name, range: 'latest', requested: 'latest', latest: true }
        : parseSpec(name, declared)
    }
    const wanted = origin.dependencies.get(name) ?? origin.peers.get(name)
    if (wanted === undefined) {
      return declared === undefined
        ? { name, range: 'latest', requested: 'latest', latest: true }
        : parseSpec(name, declared)
    }
    const request = parseSpec(name, wanted)
    if (declared === undefined) return request
    // The program's own version serves the dependency too when it fits, as one copy. A peer gets it
    // even when it does not: that is what a peer is.
    const own = parseSpec(name, declared)
    if (own.name !== request.name) return request
    const { version } = await this.#choose(own)
    const fits = semver.satisfies(version, request.range, { includePrerelease: true })
    return fits || !origin.dependencies.has(name) ? own : request
  }

  async #openRequested(request: Request, importer: string | undefined): Promise<OpenPackage> {
    const { version, entry } = await this.#choose(request, importer)
    return this.#openOnce(`${request.name}@${version}`, async () => {
      this.#origins.set(`${request.name}@${version}`, {
        name: `${request.name}@${version}`,
        location: undefined,
        dependencies: new Map(Object.entries(entry.dependencies)),
        peers: new Map(Object.entries(entry.peers)),
        optional: new Set(entry.optional),
      })
      return this.#unpack(request, version, entry.integrity, entry.tarball)
    })
  }

  async #openLocked(
    name: string,
    { location, locked }: NonNullable<ReturnType<Lockfile['find']>>,
    importer: string | undefined,
  ): Promise<OpenPackage> {
    checkName(locked.name)
    if (!semver.valid(locked.version)) {
      throw new PackageError(
        `The lockfile gives ${locked.name} the version "${locked.version}".`,
        versionHint,
      )
    }
    const requested =
      importer === undefined
        ? (this.#declared.dependencies.get(name) ?? locked.version)
        : locked.version
    const request = { name: locked.name, range: locked.version, requested, latest: false }
    return this.#openOnce(`${locked.name}@${locked.version}`, async () => {
      this.#origins.set(`${locked.name}@${locked.version}`, {
        name: `${locked.name}@${locked.version}`,
        location,
        dependencies: new Map(Object.entries(locked.dependencies)),
        peers: new Map(Object.entries(locked.peers)),
        optional: new Set(locked.optional),
      })
      // The lockfile's own download address is never used: it could name any host.
      if (locked.integrity !== undefined)
        return this.#unpack(request, locked.version, locked.integrity, undefined)
      const { entry } = await this.#choose(request)
      return this.#unpack(request, locked.version, entry.integrity, entry.tarball)
    })
  }

  #tooMany(): PackageError {
    return new PackageError(
      `The program needs more than ${this.#limits.packages} npm packages.`,
      'Use fewer dependencies.',
    )
  }

  #openOnce(id: string, work: () => Promise<OpenPackage>): Promise<OpenPackage> {
    const running = this.#open.get(id)
    if (running !== undefined) return running
    if (this.#open.size >= this.#limits.packages) {
      throw this.#tooMany()
    }
    const started = work()
    this.#open.set(id, started)
    return started
  }

  async #unpack(
    request: Request,
    version: string,
    integrity: string,
    tarball: string | undefined,
  ): Promise<OpenPackage> {
    const { name } = request
    const cached = await this.#registry.unpacked(name, version, integrity, tarball).catch(explain)
    this.#unpackedBytes += cached.sizeBytes
    if (this.#unpackedBytes > this.#limits.packageBytes) {
      throw new PackageError(
        `The npm packages of the program are over ${this.#limits.packageBytes} bytes unpacked.`,
        'Use smaller dependencies.',
      )
    }
    return {
      id: `${name}@${version}`,
      used: { name, version, requested: request.requested, integrity, latest: request.latest },
      contents: cached.contents,
      read: async (file) => {
        const bytes = await cached.read(file)
        if (bytes) return bytes
        throw new PackageError(
          `${name}@${version}/${file} cannot be read from the package cache.`,
          'Try again.',
        )
      },
    }
  }

  async #choose(request: Request, importer?: string): Promise<{ version: string; entry: Version }> {
    const pick = (listing: Listing) => pickVersion(listing, request.range)
    const listing = await this.#registry
      .listing(request.name, (known) => pick(known) !== undefined)
      .catch(explain)
    const version = pick(listing)
    const entry = version === undefined ? undefined : listing.versions[version]
    if (version !== undefined && entry) return { version, entry }
    const newest = Object.hasOwn(listing.tags, 'latest') ? listing.tags.latest : undefined
    throw new PackageError(
      `No version of ${request.name} matches "${request.range}"${importer ? `, which ${importer} asks for` : ''}.`,
      newest === undefined ? 'See the versions on npm.' : `The newest is ${newest}.`,
    )
  }
}

interface Request {
  name: string
  range: string
  requested: string
  latest: boolean
}

interface Origin {
  /** `name@version`, for messages. */
  name: string
  /** Its place in the lockfile, when it came from there. */
  location: string | undefined
  dependencies: ReadonlyMap<string, string>
  peers: ReadonlyMap<string, string>
  optional: ReadonlySet<string>
}

const versionHint = 'Use a version, a range such as ^1.2.0, or a tag such as latest.'

/** Splits `@scope/name/sub/path` into package and subpath; undefined when it is no package name. */
export function splitBare(path: string): { name: string; subpath: string } | undefined {
  const found = /^(@[^/]+\/[^/]+|[^@/][^/]*)(?:\/(.*))?$/.exec(path)
  const name = found?.[1]
  return name !== undefined && isPackageName(name) ? { name, subpath: found?.[2] ?? '' } : undefined
}

function isPackageName(name: string): boolean {
  return (
    name.length <= 214 && /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/i.test(name)
  )
}

function checkName(name: string): void {
  if (!isPackageName(name))
    throw new PackageError(`${JSON.stringify(name)} is not a package name.`, 'Check the spelling.')
}

/** Only what the registry answers: no git, no files, no addresses. */
function parseSpec(name: string, spec: string): Request {
  const alias = /^npm:(@?[^@]+)(?:@(.*))?$/.exec(spec)
  const target = alias?.[1] ?? name
  const range = (alias ? (alias[2] ?? '') : spec).trim() || '*'
  checkName(target)
  const isRange = range.length <= 256 && semver.validRange(range) !== null
  const isTag = /^[a-z][\w.-]*$/i.test(range)
  if (!isRange && !isTag) {
    throw new PackageError(
      `${name} is asked for as "${spec.slice(0, 100)}", which is not on the npm registry.`,
      versionHint,
    )
  }
  return { name: target, range, requested: spec, latest: false }
}

/** As npm does: the tag, else the `latest` version when it fits, else the newest that fits. */
function pickVersion(listing: Listing, range: string): string | undefined {
  const tagged = Object.hasOwn(listing.tags, range) ? listing.tags[range] : undefined
  if (tagged !== undefined) return tagged
  if (semver.validRange(range) === null) return undefined
  if (Object.hasOwn(listing.versions, range)) return range
  const latest = Object.hasOwn(listing.tags, 'latest') ? listing.tags.latest : undefined
  if (latest !== undefined && semver.satisfies(latest, range)) return latest
  const fitting = Object.keys(listing.versions).filter((version) =>
    semver.satisfies(version, range),
  )
  const current = fitting.filter((version) => !listing.versions[version]?.deprecated)
  return semver.rsort(current.length > 0 ? current : fitting)[0]
}

function explain(error: unknown): never {
  if (!(error instanceof RegistryError)) throw error
  const hints = {
    package_not_found: 'Check the spelling, or add the file if it is one of your own.',
    offline: 'Bundle once with the network on, or install the packages.',
    too_large: 'Use a smaller package.',
    unreachable: 'Check the connection and the npm registry, then try again.',
    damaged: 'Update the lockfile, or try again.',
  }
  throw new PackageError(error.message, hints[error.reason])
}
