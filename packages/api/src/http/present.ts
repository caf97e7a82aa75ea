import {
  type Deployment as DeploymentWire,
  type Project as ProjectWire,
  type Token as TokenWire,
  toUsd,
} from '@jackcloud/sdk/wire'
import type { Deployment } from '../Deployment.ts'
import type { Jack } from '../jack.ts'
import { keptUntil, type Project, warningsOf } from '../Project.ts'
import type { Token } from '../store/tokens.ts'

export const presentProject = (jack: Jack, it: Project): ProjectWire => ({
  project_id: it.projectId,
  name: it.name,
  url: jack.urls.project(it.label),
  status: it.status,
  reason: it.reason,
  live_deployment_id: it.liveDeploymentId,
  budget_usd: it.budgetMicroUsd === null ? null : toUsd(it.budgetMicroUsd),
  ttl_hours: it.ttlHours,
  expires_at: it.expiresAt?.toISOString() ?? null,
  kept_until: keptUntil(it, jack.now())?.toISOString() ?? null,
  warnings: warningsOf(it, jack.now()),
  created_at: it.createdAt.toISOString(),
  updated_at: it.updatedAt.toISOString(),
})

export const presentDeployment = (
  jack: Jack,
  project: Project,
  it: Deployment,
): DeploymentWire => ({
  deployment_id: it.deploymentId,
  project_id: it.projectId,
  deployment_url: jack.urls.deployment(it.deploymentId),
  live: project.liveDeploymentId === it.deploymentId,
  digest: it.digest,
  size_bytes: it.sizeBytes,
  modules: it.version.modules.length,
  assets: it.version.assets?.files.length ?? 0,
  compatibility_date: it.version.compatibilityDate,
  created_at: it.createdAt.toISOString(),
})

export const presentToken = (it: Token): TokenWire => ({
  token_id: it.tokenId,
  name: it.name,
  prefix: it.prefix,
  scopes: it.scopes,
  project: it.projectName,
  daily_cap_usd: it.dailyCapMicroUsd === null ? null : toUsd(it.dailyCapMicroUsd),
  created_at: it.createdAt.toISOString(),
  expires_at: it.expiresAt?.toISOString() ?? null,
  last_used_at: it.lastUsedAt?.toISOString() ?? null,
})

/** A page of items that were asked for with one more than `limit`: the cursor is the last one's id. */
export function pageOf<T>(
  items: T[],
  limit: number,
  idOf: (item: T) => string,
): { items: T[]; next_cursor: string | null } {
  const page = items.slice(0, limit)
  const last = page.at(-1)
  return {
    items: page,
    next_cursor: items.length > limit && last !== undefined ? idOf(last) : null,
  }
}
