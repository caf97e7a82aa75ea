import { MOST_MAP_BYTES } from '../gateway/sourceMaps.ts'
import type { Jack } from '../jack.ts'
import * as deployments from '../store/deployments.ts'

/** The main module of a version and its source map; null when there is no such version, or no map of a sane size. */
export async function loadSource(
  { db, blobs }: Pick<Jack, 'db' | 'blobs'>,
  deploymentId: string,
): Promise<{ main: string; sourceMap: Uint8Array } | null> {
  const version = (await deployments.find(db, deploymentId))?.version
  if (!version?.main || !version.sourceMap) return null
  const sizeBytes = await blobs.keep(version.sourceMap)
  if (sizeBytes === undefined || sizeBytes > MOST_MAP_BYTES) return null
  return { main: version.main, sourceMap: await blobs.read(version.sourceMap) }
}
