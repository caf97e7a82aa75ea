import {
  type DeployResponse,
  defaultCompatibilityDate,
  fromUsd,
  limits,
  type Manifest,
  toUsd,
} from '@jackcloud/sdk/wire'
import { blobsOf, canonicalVersion, sizeOf, type Version, versionOf } from '../Deployment.ts'
import { JackError } from '../Errors.ts'
import { projectLabel } from '../Host.ts'
import type { Jack } from '../jack.ts'
import { deployTerms, type Payer, requireProject } from '../Payer.ts'
import { expiryOf, isExpired, type Project, warningsOf } from '../Project.ts'
import { stillSuspended } from '../Suspension.ts'
import type { Db } from '../store/database.ts'
import * as deployments from '../store/deployments.ts'
import type { Claim } from '../store/idempotency.ts'
import { capture } from '../store/ledger.ts'
import * as projects from '../store/projects.ts'
import { include } from '../store/runtime.ts'
import { forgetStrikes } from '../store/suspensions.ts'
import { changeProject } from './change-project.ts'
import { checkVersion, missingServices, requireBlobs } from './check-version.ts'
import { claimUrlOf } from './claim-link.ts'
import { goLive } from './go-live.ts'
import { collect, release, releaseLost, reserve, type Work } from './hold.ts'
import { loadApp } from './load-app.ts'
import { verify } from './verify.ts'
import { withTurn } from './with-turn.ts'

export interface Deploy {
  /** Name or id; a name that is new makes a project. */
  project: string
  /** Its blobs are stored already. */
  manifest: Manifest
  warnings: string[]
  claim: Claim
}

/**
 * Makes a version and puts traffic on it: start it once, verify it, and only then, in one transaction, keep it,
 * make it live and charge for it. Until that transaction nothing of it can be seen, and whatever fails costs nothing.
 *
 * Throws `name_taken`, `insufficient_balance`, `budget_exceeded`, `invalid_request`, and
 * `deploy_failed` with the app's own output when it does not start or does not pass its verification.
 */
export async function deploy(jack: Jack, payer: Payer, it: Deploy): Promise<DeployResponse> {
  const { manifest } = it
  const terms = deployTerms(payer)
  requireLifetime(manifest, terms.ttlHours)
  const version = versionOf(manifest, defaultCompatibilityDate)
  const digest = jack.sha256(canonicalVersion(version))
  await checkVersion(jack, version)

  const { claim } = it
  const made = claim.repeated && (await deployments.find(jack.db, claim.workId))
  const existing =
    (made && (await projects.findById(jack.db, made.projectId))) ||
    (await projects.find(jack.db, payer.accountId, it.project))
  requireProject(payer, existing?.projectId ?? null)
  const warnings = [...it.warnings, ...(await missingServices(jack, payer, it.project, version))]
  // The last try came this far, and only its answer was lost.
  if (made && made.projectId === existing?.projectId) {
    return answer(existing, made.deploymentId, version, {
      digest,
      created: false,
      deduplicated: false,
      warnings,
      chargedMicroUsd: terms.priceMicroUsd,
    })
  }
  // It did not, so that what it held pays for this one.
  if (claim.repeated) await releaseLost(jack, claim.workId)
  if (existing) requireUpdatable(existing, manifest)
  if (existing && (await isLive(jack, existing, digest, manifest))) {
    const { projectId } = existing
    const used = await changeProject(jack, existing.label, (db) =>
      projects.touch(db, projectId, jack.now(), jack.config.inactiveDays),
    )
    return answer(used, existing.liveDeploymentId as string, version, {
      digest,
      created: false,
      deduplicated: true,
      warnings,
      chargedMicroUsd: 0n,
    })
  }

  const project = existing ?? newProject(jack, payer, it.project)
  const deploymentId = claim.repeated ? await claim.renew(jack.newId('dep')) : claim.workId
  const env = await mergedEnv(jack, existing, manifest)
  const envRevision = manifest.env ? jack.newId('env') : project.envRevision

  const work: Work = {
    id: deploymentId,
    amountMicroUsd: terms.priceMicroUsd,
    kind: 'deploy',
    ref: deploymentId,
    projectId: project.projectId,
  }
  await reserve(jack, payer, work)
  try {
    const app = await loadApp(jack, { ...project, envRevision }, { deploymentId, version }, env)
    if (version.main !== null) await jack.engine.put(app)
    const live = await withTurn(jack, project.projectId, deploymentId, async () => {
      await verify(jack, app, version, manifest.verify ?? [])
      await jack.blobs.sync(blobsOf(version).map((blob) => blob.sha256))
      await collect(jack, payer, work)
      return changeProject(jack, project.label, async (db) => {
        if (!(await keep(db))) return undefined
        const live = await makeLive(db)
        await capture(db, { id: deploymentId })
        return live
      })
    })
    // Somebody deployed the very same meanwhile: once is enough, and costs once.
    if (!live) {
      await jack.engine.remove(deploymentId)
      await release(jack, payer, deploymentId)
      return await deploy(jack, payer, it)
    }
    return answer(live, deploymentId, version, {
      digest,
      created: !existing,
      deduplicated: false,
      warnings,
      chargedMicroUsd: terms.priceMicroUsd,
    })
  } catch (error) {
    await jack.engine.remove(deploymentId)
    await release(jack, payer, deploymentId)
    // Its verification may have kept something for a project that never was.
    if (!existing && !(await projects.findById(jack.db, project.projectId)))
      await jack.engine.data.remove(project.projectId)
    throw error
  }

  async function answer(
    project: Project,
    deploymentId: string,
    version: Version,
    facts: Parameters<typeof present>[4],
  ): Promise<DeployResponse> {
    const claimUrl = await claimUrlOf(jack, payer, project.projectId)
    return {
      ...present(jack, project, deploymentId, version, facts),
      ...(claimUrl && { claim_url: claimUrl }),
    }
  }

  /** False when this version went live since the deploy began. */
  async function keep(db: Db): Promise<boolean> {
    if (existing) {
      const now = await projects.lock(db, project.projectId)
      if (!now)
        throw new JackError('not_found', 'The project was deleted while it was deployed to.')
      if (now.accountId !== payer.accountId)
        throw new JackError('not_found', 'The project was claimed while it was deployed to.')
      const moved = now.liveDeploymentId !== existing.liveDeploymentId
      if (moved && (await isLive(jack, now, digest, manifest))) return false
    } else {
      await projects.add(db, project)
    }
    if (manifest.env) {
      const { tokenId } = payer
      const maxNames = limits.envNames
      await jack.env.merge(db, project.projectId, manifest.env, { maxNames, tokenId })
    }
    await deployments.add(db, {
      deploymentId,
      projectId: project.projectId,
      version,
      digest,
      sizeBytes: sizeOf(version),
    })
    // From here on the version keeps them; a blob that was collected meanwhile stops it.
    await requireBlobs(jack, version)
    return true
  }

  async function makeLive(db: Db): Promise<Project> {
    await forgetStrikes(db, project.projectId)
    await include(db, project.projectId, terms.includedMicroUsd, deploymentId)
    const ttlHours = manifest.ttl_hours ?? ttlOf(existing, terms.ttlHours)
    return goLive(
      jack,
      db,
      project.projectId,
      { deploymentId, version },
      {
        status: 'active',
        reason: null,
        envRevision,
        ttlHours,
        expiresAt: expiryOf(ttlHours, jack.config.inactiveDays, jack.now()),
        activeAt: jack.now(),
        ...(manifest.budget_usd !== undefined && { budgetMicroUsd: fromUsd(manifest.budget_usd) }),
      },
    )
  }
}

/** What is paid once lives so long; what lives longer by other means is not shortened. */
const ttlOf = (existing: Project | undefined, ttlHours: number | null): number | null =>
  existing?.status === 'active' && existing.ttlHours === null
    ? null
    : (ttlHours ?? existing?.ttlHours ?? null)

function requireLifetime(manifest: Manifest, ttlHours: number | null): void {
  if (ttlHours === null || (manifest.ttl_hours ?? 0) <= ttlHours) return
  throw new JackError(
    'invalid_request',
    `A deploy that is paid once lives for ${ttlHours} hours.`,
    {
      hint: 'Leave ttl_hours out, or pay from a session: it lives as long as it is paid for.',
    },
  )
}

function requireUpdatable(existing: Project, manifest: Manifest): void {
  const { suspension } = existing
  if (suspension?.code === 'budget' && manifest.budget_usd === undefined) {
    throw stillSuspended(existing, suspension)
  }
  if (manifest.if_exists === 'refuse') {
    throw new JackError('name_taken', `There is a project named "${existing.name}" already.`, {
      hint: 'Name it explicitly to deploy to it, or choose another name.',
      next: [{ command: `jack deploy --name ${existing.name}`, when: 'if you mean that project' }],
    })
  }
}

/** Whether this very version is live with these very settings, so that there is nothing to do. */
export async function isLive(
  jack: Jack,
  project: Project,
  digest: string,
  manifest: Manifest,
): Promise<boolean> {
  if (project.status !== 'active' || !project.liveDeploymentId) return false
  // Its time is over, though nobody has noted that yet.
  if (isExpired(project, jack.now())) return false
  const live = await deployments.find(jack.db, project.liveDeploymentId)
  if (live?.digest !== digest) return false
  if (manifest.ttl_hours !== undefined && manifest.ttl_hours !== project.ttlHours) return false
  if (manifest.budget_usd !== undefined && fromUsd(manifest.budget_usd) !== project.budgetMicroUsd)
    return false
  if (!manifest.env) return true
  const env = await jack.env.read(jack.db, project.projectId)
  return Object.entries(manifest.env).every(([name, value]) => (env[name] ?? null) === value)
}

function newProject(jack: Jack, payer: Payer, name: string): Project {
  if (name.startsWith('prj_')) throw new JackError('not_found', `There is no project ${name}.`)
  const now = jack.now()
  return {
    projectId: jack.newId('prj'),
    accountId: payer.accountId,
    name,
    label: projectLabel(payer.slug, name),
    status: 'active',
    reason: null,
    suspension: null,
    liveDeploymentId: null,
    envRevision: '0',
    budgetMicroUsd: null,
    dailyBudgetMicroUsd: null,
    ttlHours: null,
    expiresAt: null,
    expiredAt: null,
    createdAt: now,
    updatedAt: now,
  }
}

async function mergedEnv(
  jack: Jack,
  existing: Project | undefined,
  manifest: Manifest,
): Promise<Record<string, string>> {
  const env = existing ? await jack.env.read(jack.db, existing.projectId) : {}
  for (const [name, value] of Object.entries(manifest.env ?? {})) {
    if (value === null) delete env[name]
    else env[name] = value
  }
  return env
}

function present(
  jack: Jack,
  project: Project,
  deploymentId: string,
  version: Version,
  it: {
    digest: string
    created: boolean
    deduplicated: boolean
    warnings: string[]
    chargedMicroUsd: bigint
  },
): DeployResponse {
  return {
    url: jack.urls.project(project.label),
    deployment_url: jack.urls.deployment(deploymentId),
    deployment_id: deploymentId,
    project_id: project.projectId,
    name: project.name,
    expires_at: project.expiresAt?.toISOString() ?? null,
    ttl_hours: project.ttlHours,
    digest: it.digest,
    deduplicated: it.deduplicated,
    created: it.created,
    size_bytes: sizeOf(version),
    warnings: [...it.warnings, ...warningsOf(project, jack.now())],
    charged_usd: toUsd(it.chargedMicroUsd),
  }
}
