import type { Version } from '@jackcloud/sdk/wire'

export { canonicalVersion, type Version, versionOf, versionParts } from '@jackcloud/sdk/wire'

/** An immutable version of a project: what runs, and how. Content is named by sha256; the bytes are blobs. */
export interface Deployment {
  deploymentId: string
  projectId: string
  version: Version
  digest: string
  sizeBytes: number
  createdAt: Date
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

/**
 * Whether a version keeps data (KV, D1, Durable Objects, queues). Data has a single writer: of such a project one
 * version runs at a time, the live one.
 */
export const keepsData = ({
  bindings,
  queueConsumers,
}: Pick<Version, 'bindings' | 'queueConsumers'>) =>
  queueConsumers.length > 0 || bindings.some((binding) => binding.type !== 'service')
