import type { Binding, QueueConsumer } from './Bindings.ts'
import type { AssetSettings, Manifest } from './Deploy.ts'

/** What decides how a version behaves, apart from the project's environment. */
export interface Version {
  main: string | null
  modules: {
    name: string
    type: 'esm' | 'text' | 'data' | 'wasm' | 'json'
    sha256: string
    sizeBytes: number
  }[]
  sourceMap: string | null
  assets: AssetSettings | null
  compatibilityDate: string
  compatibilityFlags: string[]
  vars: Record<string, unknown>
  bindings: Binding[]
  crons: string[]
  queueConsumers: QueueConsumer[]
  /** The only hosts that it may reach; null for every public one. */
  egress: string[] | null
}

/** The version that a manifest describes, in canonical order. */
export function versionOf(manifest: Manifest, defaultDate: string): Version {
  return {
    main: manifest.main,
    modules: manifest.modules.map(({ name, type, sha256, size_bytes }) => ({
      name,
      type,
      sha256,
      sizeBytes: size_bytes,
    })),
    sourceMap: manifest.source_map ?? null,
    assets: manifest.assets
      ? { ...manifest.assets, files: manifest.assets.files.toSorted(byPath) }
      : null,
    compatibilityDate: manifest.compatibility_date ?? defaultDate,
    compatibilityFlags: [...new Set(manifest.compatibility_flags)].sort(),
    vars: Object.fromEntries(Object.entries(manifest.vars).sort(([a], [b]) => (a < b ? -1 : 1))),
    bindings: manifest.bindings.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    crons: [...new Set(manifest.crons)].sort(),
    queueConsumers: manifest.queue_consumers.toSorted((a, b) => (a.queue < b.queue ? -1 : 1)),
    egress: manifest.egress ? [...new Set(manifest.egress)].sort() : null,
  }
}

/**
 * The text whose sha256 is a version's digest: equal for equal behaviour.
 * The source map stays out: it changes what a person reads, not what runs.
 */
export function canonicalVersion(version: Version): string {
  const { sourceMap: _, ...rest } = version
  return JSON.stringify(rest)
}

/**
 * Texts whose sha256 say where two versions differ. Settings are told together with the code: whoever does not have
 * the code cannot try what the variables might be.
 */
export function versionParts(version: Version): Record<'code' | 'assets' | 'settings', string> {
  const { sourceMap: _, main, modules, assets, ...settings } = version
  return {
    code: sorted([main, modules]),
    assets: sorted(assets),
    settings: sorted([main, modules, settings]),
  }
}

/** JSON with the keys of every object in order: a database need not keep the one that it was given. */
const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )

const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1)
