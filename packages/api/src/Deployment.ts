import type { AssetSettings, Binding, Manifest, QueueConsumer } from '@jackcloud/sdk/wire'

/** An immutable version of a project: what runs, and how. Content is named by sha256; the bytes are blobs. */
export interface Deployment {
  deploymentId: string
  projectId: string
  version: Version
  digest: string
  sizeBytes: number
  createdAt: Date
}

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
  vars: Record<string, string>
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

/** Every blob that a version needs, once for each size that is claimed for it. */
export function blobsOf(version: Version): { sha256: string; sizeBytes: number }[] {
  const all = [
    ...version.modules.map(({ sha256, sizeBytes }) => ({ sha256, sizeBytes })),
    ...(version.assets?.files ?? []).map((file) => ({
      sha256: file.sha256,
      sizeBytes: file.size_bytes,
    })),
  ]
  return [...new Map(all.map((blob) => [`${blob.sha256} ${blob.sizeBytes}`, blob])).values()]
}

/** Bytes of all modules and static files, each counted as often as it is named. */
export const sizeOf = (version: Version): number =>
  version.modules.reduce((sum, it) => sum + it.sizeBytes, 0) +
  (version.assets?.files ?? []).reduce((sum, it) => sum + it.size_bytes, 0)

const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1)
