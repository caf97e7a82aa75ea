import type { Jack } from '../jack.ts'
import * as deployments from '../store/deployments.ts'
import * as idempotency from '../store/idempotency.ts'
import { releaseAbandoned } from '../store/ledger.ts'
import * as logs from '../store/logs.ts'
import * as projects from '../store/projects.ts'
import { changeProject } from './change-project.ts'

const minute = 60_000
const day = 86_400_000

/** How long log lines are kept, and how many of one project. */
const logDays = 7
const logLinesKept = 10_000

/** Ends what has reached its time: projects, log lines, stored answers, and reservations of work that a crash cut off. */
export async function sweep(jack: Jack): Promise<void> {
  const now = jack.now()
  const ago = (ms: number) => new Date(now.getTime() - ms)
  for (const project of await projects.expireDue(jack.db, now)) {
    jack.log.info({ projectId: project.projectId }, 'project expired')
    await changeProject(jack, project.label, async () => {})
    const versions = await deployments.idsOf(jack.db, project.projectId)
    await Promise.all(versions.map((id) => jack.engine.remove(id)))
  }
  await releaseAbandoned(jack.db, ago(5 * minute))
  await idempotency.forgetOld(jack.db, ago(day))
  await logs.trim(jack.db, ago(logDays * day), logLinesKept)
}
