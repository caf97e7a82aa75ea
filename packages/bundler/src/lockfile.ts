import { jsonc } from './Table.ts'

/** One package of a lockfile. */
interface Locked {
  name: string
  version: string
  integrity: string | undefined
  dependencies: Record<string, string>
  peers: Record<string, string>
  optional: string[]
}

/** What a lockfile has decided, asked from the place of the importing package. */
export interface Lockfile {
  /**
   * The package that `name` means to the importer: a location that `find` returned earlier, or
   * undefined for the program itself.
   */
  find(importer: string | undefined, name: string): { location: string; locked: Locked } | undefined
}

/** Reads package-lock.json (version 2 and 3); undefined for the version that npm 6 wrote. */
export function readPackageLock(text: string): Lockfile | undefined {
  const lock = jsonc('package-lock.json', text) as { packages?: unknown } | undefined
  if (typeof lock?.packages !== 'object' || lock.packages === null) return undefined
  const locations = new Map<string, Locked>()
  /** One location for each name and version, so that the same package is bundled once. */
  const canonical = new Map<string, string>()
  for (const [location, entry] of Object.entries(lock.packages as Record<string, LockEntry>)) {
    const at = location.lastIndexOf('node_modules/')
    if (at < 0 || typeof entry?.version !== 'string' || entry.link) continue
    const name = entry.name ?? location.slice(at + 'node_modules/'.length)
    locations.set(location, {
      name,
      version: entry.version,
      integrity: typeof entry.integrity === 'string' ? entry.integrity : undefined,
      dependencies: { ...entry.dependencies, ...entry.optionalDependencies },
      peers: { ...entry.peerDependencies },
      optional: [
        ...Object.keys(entry.optionalDependencies ?? {}),
        ...Object.entries(entry.peerDependenciesMeta ?? {}).flatMap(([peer, { optional }]) =>
          optional ? [peer] : [],
        ),
      ],
    })
    const id = `${name}@${entry.version}`
    const other = canonical.get(id)
    if (
      other === undefined ||
      location.length < other.length ||
      (location.length === other.length && location < other)
    ) {
      canonical.set(id, location)
    }
  }
  return {
    find: (importer, name) => {
      for (let folder = importer ?? ''; ; ) {
        const found = locations.get(`${folder === '' ? '' : `${folder}/`}node_modules/${name}`)
        if (found) {
          const location = canonical.get(`${found.name}@${found.version}`)
          const locked = location === undefined ? undefined : locations.get(location)
          return location === undefined || !locked ? undefined : { location, locked }
        }
        if (folder === '') return undefined
        const parent = folder.lastIndexOf('/node_modules/')
        folder = parent < 0 ? '' : folder.slice(0, parent)
      }
    },
  }
}

interface LockEntry {
  name?: string
  version?: string
  integrity?: string
  link?: boolean
  dependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
  peerDependencies?: Record<string, string>
  peerDependenciesMeta?: Record<string, { optional?: boolean }>
}

/**
 * Reads pnpm-lock.yaml (version 9), which pnpm always writes in the same few shapes of lines; a file
 * that looks different gives undefined.
 */
export function readPnpmLock(text: string): Lockfile | undefined {
  if (!/^lockfileVersion: '?9/m.test(text)) return undefined
  const direct = new Map<string, string>()
  const integrities = new Map<string, string>()
  const snapshots = new Map<string, Map<string, string>>()
  const path: string[] = []
  for (const line of text.split('\n')) {
    const found = /^( *)('[^']*'|[^\s#'][^:]*(?::[^\s:][^:]*)*):(?: (.*))?$/.exec(line)
    const [, indent, rawKey, value] = found ?? []
    if (indent === undefined || rawKey === undefined) continue
    const depth = indent.length / 2
    path.length = depth
    path[depth] = unquote(rawKey)
    const [section, first, second, third, fourth] = path
    if (
      section === 'importers' &&
      first === '.' &&
      depth === 4 &&
      fourth === 'version' &&
      third !== undefined &&
      value
    ) {
      if (second !== undefined && /ependencies$/.test(second)) direct.set(third, unquote(value))
    } else if (
      section === 'packages' &&
      depth === 2 &&
      second === 'resolution' &&
      first !== undefined
    ) {
      const integrity = /integrity: ([^\s,}]+)/.exec(value ?? '')?.[1]
      if (integrity !== undefined) integrities.set(first, integrity)
    } else if (section === 'snapshots' && depth >= 1 && first !== undefined) {
      const dependencies = snapshots.get(first) ?? new Map<string, string>()
      snapshots.set(first, dependencies)
      if (depth === 3 && third !== undefined && value && /ependencies$/.test(second ?? '')) {
        dependencies.set(third, unquote(value))
      }
    }
  }
  if (snapshots.size === 0) return undefined
  /** One location for each name and version, so that the same package is bundled once. */
  const canonical = new Map<string, string>()
  for (const location of [...snapshots.keys()].sort().reverse())
    canonical.set(withoutPeers(location), location)
  return {
    find: (importer, name) => {
      const value = importer === undefined ? direct.get(name) : snapshots.get(importer)?.get(name)
      if (value === undefined || /^(?:link|file|https?):/.test(value)) return undefined
      // An alias names the other package in full; else the value is a version with its peers.
      const plain = withoutPeers(/^@?[^@(]+@/.test(value) ? value : `${name}@${value}`)
      const location = canonical.get(plain)
      const at = plain.lastIndexOf('@')
      if (at <= 0 || location === undefined) return undefined
      return {
        location,
        locked: {
          name: plain.slice(0, at),
          version: plain.slice(at + 1),
          integrity: integrities.get(plain),
          dependencies: Object.fromEntries(snapshots.get(location) ?? []),
          peers: {},
          optional: [],
        },
      }
    },
  }
}

function withoutPeers(location: string): string {
  return location.replace(/\(.*$/, '')
}

function unquote(text: string): string {
  return text.replace(/^(['"])(.*)\1$/, '$2').trim()
}
