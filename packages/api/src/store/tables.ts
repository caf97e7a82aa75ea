import type { Scope } from '@jackcloud/sdk/wire'
import type { ColumnType, Generated, JSONColumnType } from 'kysely'
import type { Version } from '../Deployment.ts'
import type { LineKind } from '../engine/Engine.ts'
import type { ProjectStatus } from '../Project.ts'
import type { Resource } from '../Resource.ts'
import type { Evidence, SuspensionCode } from '../Suspension.ts'

type DefaultNow = ColumnType<Date, Date | undefined, Date>

/** The tables of migration 0001, as kysely sees them. */
export interface ProjectTables {
  account: {
    account_id: string
    slug: string
    kind: 'local' | 'wallet' | 'person'
    /** Of a wallet, in lower case. */
    address: string | null
    created_at: DefaultNow
  }
  sign_in: {
    hash: Buffer
    account_id: string
    signed_in_at: Date
    expires_at: Date
  }
  identity: {
    provider: string
    subject: string
    account_id: string
    created_at: DefaultNow
  }
  nonce: {
    nonce: string
    purpose: string
    bound_to: string
    detail: JSONColumnType<Record<string, string>>
    expires_at: Date
  }
  claim_link: {
    project_id: string
    hash: Buffer
    expires_at: Date
  }
  token: {
    token_id: string
    account_id: string
    name: string
    prefix: string
    hash: Buffer
    scopes: Scope[]
    project_id: string | null
    daily_cap_micro_usd: bigint | null
    created_at: DefaultNow
    expires_at: Date | null
    last_used_at: Date | null
    revoked_at: Date | null
    trust_id: string | null
    /** Of what a client got by OAuth. */
    client_id: string | null
    /** What it is good for; null for everything. */
    resource: Resource | null
    /** Until when a client can have its secret changed for a new one; null when it can't. */
    refresh_until: Date | null
  }
  project: {
    project_id: string
    account_id: string
    name: string
    label: string
    status: Generated<ProjectStatus>
    reason: string | null
    live_deployment_id: string | null
    env_revision: Generated<string>
    budget_micro_usd: bigint | null
    daily_budget_micro_usd: bigint | null
    suspension: SuspensionCode | null
    suspended_at: Date | null
    evidence: Evidence | null
    ttl_hours: number | null
    expires_at: Date | null
    /** Last deploy, request, funding or renewal, to the minute. */
    active_at: DefaultNow
    expired_at: Date | null
    created_at: DefaultNow
    updated_at: DefaultNow
  }
  deployment: {
    deployment_id: string
    project_id: string
    version: JSONColumnType<Version>
    digest: string
    size_bytes: bigint
    created_at: DefaultNow
  }
  promotion: {
    promotion_id: Generated<bigint>
    project_id: string
    deployment_id: string
    at: DefaultNow
  }
  trust: {
    trust_id: string
    account_id: string
    issuer: string
    subject: string
    project_id: string
    scopes: Scope[]
    daily_cap_micro_usd: bigint
    created_at: DefaultNow
    last_used_at: Date | null
  }
  audit_entry: {
    entry_id: Generated<bigint>
    account_id: string
    at: Date
    operation: string
    project: string | null
    token_id: string | null
    address: string
    status: number
    request_id: string
  }
  env_var: {
    project_id: string
    name: string
    sealed: Buffer
    updated_at: DefaultNow
  }
  env_change: {
    change_id: Generated<bigint>
    project_id: string
    name: string
    action: 'set' | 'deleted'
    token_id: string | null
    at: DefaultNow
  }
  staged_file: {
    account_id: string
    name: string
    path: string
    content: Buffer
    updated_at: DefaultNow
  }
  log_line: {
    line_id: Generated<bigint>
    project_id: string
    deployment_id: string | null
    at: Date
    level: number
    message: string
    request_id: string | null
    kind: Generated<LineKind>
  }
  log_extent: {
    project_id: string
    lines: bigint
    bytes: bigint
    oldest_at: Date
  }
  usage_minute: {
    project_id: string
    minute: Date
    requests: bigint
    errors: bigint
    cpu_us: bigint
    rows_read: bigint
    rows_written: bigint
    egress_requests: bigint
    egress_bytes: bigint
    latency: number[]
  }
  cron: {
    project_id: string
    expression: string
    next_at: Date | null
    running_until: Date | null
    last_at: Date | null
    last_outcome: string | null
  }
  idempotency: {
    account_id: string
    key: string
    fingerprint: string
    status: number | null
    body: string | null
    created_at: DefaultNow
    work_id: string
    lost: Generated<boolean>
    receipt: string | null
  }
}
