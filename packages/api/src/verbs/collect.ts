import type { Jack } from '../jack.ts'
import * as deployments from '../store/deployments.ts'
import * as projects from '../store/projects.ts'
import { changeProject } from './change-project.ts'

const hour = 3_600_000
const day = 24 * hour

/** How long a version that was live is kept, however many came after it. */
const liveDays = 30

/**
 * Frees what nothing needs any more: versions of long ago, then blobs, then compiled configurations.
 *
 * @param graceMs what was stored, kept or used since so long stays: a deploy that is under way needs it. Longer than
 *   any deploy takes from its last look at its blobs to its end.
 */
export async function collect(jack: Jack, graceMs = day): Promise<{ blobs: number }> {
  const now = jack.now().getTime()
  const before = new Date(now - graceMs)
  const { versionsKept } = jack.config
  for (const { id, label } of await deployments.crowded(jack.db, versionsKept)) {
    const removed = await changeProject(jack, label, async (db) => {
      if (!(await projects.lock(db, id))) return []
      const since = new Date(now - liveDays * day)
      return deployments.removeOld(db, id, { versions: versionsKept, since })
    })
    await Promise.all(removed.map((it) => jack.engine.remove(it)))
  }
  const blobs = await jack.blobs.collect(before, (all) => deployments.blobsNeeded(jack.db, all))
  await jack.engine.trim(before)
  if (blobs > 0) jack.log.info({ blobs }, 'collected')
  return { blobs }
}
