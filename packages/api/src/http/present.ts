import {
  type Deployment as DeploymentWire,
  type Project as ProjectWire,
  type Session as SessionWire,
  type Suspension as SuspensionWire,
  type Token as TokenWire,
  toUsd,
} from '@jackcloud/sdk/wire'
import type { Deployment } from '../Deployment.ts'
import type { Jack } from '../jack.ts'
import { keptUntil, type Project, warningsOf } from '../Project.ts'
import { type SessionState, spentMicroUsd } from '../Session.ts'
import { nextOf, reasonOf, type Suspension, wayBackOf } from '../Suspension.ts'
import type { Token } from '../store/tokens.ts'

export const presentProject = (jack: Jack, it: Project): ProjectWire => ({
  project_id: it.projectId,
  name: it.name,
  url: jack.urls.project(it.label),
  status: it.status,
  reason: it.suspension ? reasonOf(it.suspension) : it.reason,
  suspension: it.suspension && presentSuspension(it.suspension, it.name),
  live_deployment_id: it.liveDeploymentId,
  budget_usd: it.budgetMicroUsd === null ? null : toUsd(it.budgetMicroUsd),
  daily_budget_usd: it.dailyBudgetMicroUsd === null ? null : toUsd(it.dailyBudgetMicroUsd),
  ttl_hours: it.ttlHours,
  expires_at: it.expiresAt?.toISOString() ?? null,
  kept_until: keptUntil(it, jack.now())?.toISOString() ?? null,
  warnings: warningsOf(it, jack.now()),
  created_at: it.createdAt.toISOString(),
  updated_at: it.updatedAt.toISOString(),
})

function presentSuspension(it: Suspension, name: string): SuspensionWire {
  const { evidence } = it
  const usd = (nanoUsd: number) => toUsd(BigInt(nanoUsd) / 1_000n)
  return {
    code: it.code,
    reason: reasonOf(it),
    since: it.since.toISOString(),
    hint: wayBackOf(it),
    next: nextOf(it, name),
    evidence: {
      ...(evidence.owed_nano_usd !== undefined && { owed_usd: usd(evidence.owed_nano_usd) }),
      ...(evidence.budget && { budget: evidence.budget }),
      ...(evidence.limit_micro_usd !== undefined && {
        limit_usd: toUsd(BigInt(evidence.limit_micro_usd)),
      }),
      ...(evidence.spent_nano_usd !== undefined && { spent_usd: usd(evidence.spent_nano_usd) }),
      ...(evidence.strikes && {
        strikes: evidence.strikes.map((strike) => ({
          at: strike.at,
          deployment_id: strike.deploymentId,
          kind: strike.reason,
          detail: strike.detail,
          cpu_ms: strike.cpuMs,
          memory_bytes: strike.memoryBytes,
        })),
      }),
      ...(evidence.last_lines && { last_lines: evidence.last_lines }),
    },
  }
}

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
  client_id: it.clientId,
  resource: it.resource,
  created_at: it.createdAt.toISOString(),
  expires_at: it.expiresAt?.toISOString() ?? null,
  last_used_at: it.lastUsedAt?.toISOString() ?? null,
})

export const presentSession = (it: SessionState): SessionWire => ({
  session_id: it.sessionId,
  channel_id: it.channelId,
  payer: it.payer,
  // One that is being opened is in no list.
  status: it.status === 'opening' ? 'open' : it.status,
  deposit_usd: toUsd(it.depositMicroUsd),
  authorized_usd: toUsd(it.authorizedMicroUsd),
  spent_usd: toUsd(spentMicroUsd(it)),
  held_usd: toUsd(it.heldMicroUsd),
  unused_usd: toUsd(it.unusedMicroUsd),
  opened_at: it.openedAt.toISOString(),
  used_at: it.usedAt.toISOString(),
  closed_at: it.closedAt?.toISOString() ?? null,
  close:
    it.status === 'closed'
      ? {
          tx_hash: it.closeTx,
          captured_usd: toUsd(it.settledMicroUsd),
          refunded_usd: toUsd(it.refundedMicroUsd ?? 0n),
        }
      : null,
  chain_id: it.chainId,
  open_tx_hash: it.openTx,
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
