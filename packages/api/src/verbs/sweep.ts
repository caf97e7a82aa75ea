import { limits } from '@jackcloud/sdk/wire'
import type { Jack } from '../jack.ts'
import { keptDays } from '../Project.ts'
import * as audit from '../store/audit.ts'
import * as claimLinks from '../store/claimLinks.ts'
import * as deployments from '../store/deployments.ts'
import * as idempotency from '../store/idempotency.ts'
import { settleAbandoned } from '../store/ledger.ts'
import * as logs from '../store/logs.ts'
import * as nonces from '../store/nonces.ts'
import * as oauthClients from '../store/oauthClients.ts'
import * as oauthDevices from '../store/oauthDevices.ts'
import * as oauthGrants from '../store/oauthGrants.ts'
import { sinceLast } from '../store/periodic.ts'
import * as projects from '../store/projects.ts'
import { forgetChallenges } from '../store/sessions.ts'
import * as signIns from '../store/signIns.ts'
import * as stagedFiles from '../store/stagedFiles.ts'
import * as tokens from '../store/tokens.ts'
import { changeProject } from './change-project.ts'
import { deleteProject } from './delete-project.ts'
import { endVersions } from './end-versions.ts'

/** How long it is kept who changed what, and the names of the tokens of short-lived runs. */
const auditDays = 90
const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** Ends what has reached its time: projects, log lines, stored answers, and reservations of work that a crash cut off. */
export async function sweep(jack: Jack): Promise<void> {
  const now = jack.now()
  const ago = (ms: number) => new Date(now.getTime() - ms)
  await noteUse(jack, now)
  await expire(jack, now)
  await endSuspended(jack)
  for (const project of await projects.overdue(jack.db, ago(keptDays * day))) {
    jack.log.info({ projectId: project.projectId }, 'expired project deleted')
    await deleteProject(jack, project, (it) => it.status === 'expired')
  }
  await settleAbandoned(jack.db, 5 * minute)
  await idempotency.forgetOld(jack.db, ago(day))
  // Some replica's clock may be behind, and take them for good still.
  await forgetChallenges(jack.db, ago(hour))
  await signIns.forgetOld(jack.db, ago(hour))
  await claimLinks.forgetOld(jack.db, now)
  await nonces.forgetOld(jack.db, ago(hour))
  // A code that comes again ends what it brought, also when it comes late.
  await oauthGrants.forgetOld(jack.db, ago(day))
  await oauthDevices.forgetOld(jack.db, ago(hour))
  await oauthClients.forgetOld(jack.db, {
    unusedSince: ago(180 * day),
    neverUsedSince: ago(7 * day),
  })
  await audit.forgetOld(jack.relaxedDb, ago(auditDays * day))
  await tokens.forgetExchanged(jack.db, ago(auditDays * day))
  await stagedFiles.forgetOld(jack.db, ago(limits.staging.hours * hour))
  await logs.trim(jack.relaxedDb, now, jack.config.appLog)
}

/** Moves the ends of what was used. Reads what the recorder stored anyway: a request costs no query. */
async function noteUse(jack: Jack, now: Date): Promise<void> {
  await jack.recorder.flush()
  const pausedMs = (await sinceLast(jack.db, 'note use', now)) ?? 0
  if (pausedMs > hour) await projects.skipStandstill(jack.db, pausedMs)
  const since = new Date(now.getTime() - pausedMs - 5 * minute)
  for (const { label } of await projects.touchUsed(jack.db, since, now)) {
    await changeProject(jack, label, async () => {})
  }
}

/** What runs on although it may not: the notice came while the app was being started, or was lost. */
async function endSuspended(jack: Jack): Promise<void> {
  const running = new Set(jack.engine.running().map((it) => it.projectId))
  const suspended = await projects.notActiveOf(jack.db, [...running])
  await Promise.all(suspended.map((projectId) => endVersions(jack.engine, projectId)))
}

async function expire(jack: Jack, now: Date): Promise<void> {
  for (const project of await projects.expireDue(jack.db, now)) {
    jack.log.info({ projectId: project.projectId }, 'project expired')
    await changeProject(jack, project.label, async () => {})
    const versions = await deployments.idsOf(jack.db, project.projectId)
    await Promise.all(versions.map((id) => jack.engine.remove(id)))
  }
}
