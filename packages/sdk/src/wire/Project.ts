import { z } from 'zod'
import { Binding } from './Bindings.ts'
import { EnvName, ProjectName, Timestamp, TtlHours } from './Names.ts'
import { nextCursor } from './Page.ts'
import { Next } from './Problem.ts'
import { Usd, UsdInput } from './Usd.ts'

/** Why a project answers nobody, what was seen, and how it goes on. */
export const Suspension = z.object({
  /** Its account has nothing left, its budget is spent, or it was stopped too often. */
  code: z.enum(['balance', 'budget', 'runaway']),
  reason: z.string(),
  since: Timestamp,
  hint: z.string(),
  next: z.array(Next),
  evidence: z.object({
    /** Used beyond the last of the balance: what is added next pays it first. */
    owed_usd: Usd.optional(),
    budget: z.enum(['daily', 'total']).optional(),
    limit_usd: Usd.optional(),
    spent_usd: Usd.optional(),
    strikes: z
      .array(
        z.object({
          at: Timestamp,
          deployment_id: z.string(),
          kind: z.enum(['cpu', 'memory', 'crash', 'storage']),
          detail: z.string(),
          cpu_ms: z.number().nullable(),
          memory_bytes: z.number().nullable(),
        }),
      )
      .optional(),
    /** The last that it printed. */
    last_lines: z.array(z.string()).optional(),
  }),
})
export type Suspension = z.infer<typeof Suspension>

export const Project = z.object({
  project_id: z.string(),
  name: ProjectName,
  url: z.url(),
  status: z.enum(['active', 'suspended', 'expired']),
  /** Why it is suspended or expired. */
  reason: z.string().nullable(),
  suspension: Suspension.nullable(),
  live_deployment_id: z.string().nullable(),
  /** The most that it may spend on runtime, ever and on a day in UTC. */
  budget_usd: Usd.nullable(),
  daily_budget_usd: Usd.nullable(),
  ttl_hours: z.number().nullable(),
  /** When it expires as things stand; without a time to live of its own, every use moves it. */
  expires_at: Timestamp.nullable(),
  /** Until when it can be renewed or exported; null unless it has expired. */
  kept_until: Timestamp.nullable(),
  /** What its owner should know now, such as that it expires soon. */
  warnings: z.array(z.string()),
  created_at: Timestamp,
  updated_at: Timestamp,
})
export type Project = z.infer<typeof Project>

/** A project with what its live version finds in its `env` beside variables, and where it may go. */
export const ProjectDetails = Project.extend({
  bindings: z.array(Binding),
  /** The only hosts that it may reach; null: every public one. */
  egress: z.array(z.string()).nullable(),
})

export const ProjectPage = z.object({ projects: z.array(Project), ...nextCursor })

export const CreateProject = z.strictObject({
  name: ProjectName,
  budget_usd: UsdInput.optional(),
  daily_budget_usd: UsdInput.optional(),
  ttl_hours: TtlHours.optional(),
})

/** `null` takes a setting away. */
export const UpdateProject = z.strictObject({
  budget_usd: UsdInput.nullable().optional(),
  daily_budget_usd: UsdInput.nullable().optional(),
  ttl_hours: TtlHours.nullable().optional(),
})

/** `ttl_hours` replaces the project's own; without it, the whole time begins again. */
export const RenewRequest = z.strictObject({
  ttl_hours: TtlHours.nullable().optional(),
})

export const Deployment = z.object({
  deployment_id: z.string(),
  project_id: z.string(),
  deployment_url: z.url(),
  live: z.boolean(),
  digest: z.string(),
  size_bytes: z.number(),
  modules: z.number(),
  assets: z.number(),
  compatibility_date: z.string(),
  created_at: Timestamp,
})
export type Deployment = z.infer<typeof Deployment>

export const DeploymentPage = z.object({ deployments: z.array(Deployment), ...nextCursor })

/** Which version is live after a promotion or a rollback. */
export const LiveDeployment = z.object({
  project_id: z.string(),
  url: z.url(),
  deployment_id: z.string(),
  previous_deployment_id: z.string().nullable(),
})

/** To a version by id, or to the one that was live before. */
export const RollbackRequest = z.strictObject({ deployment_id: z.string().max(60).optional() })

/** Names and change times. Values are write-only. */
export const Env = z.object({
  env: z.array(z.object({ name: EnvName, updated_at: Timestamp })),
})

/** Who set or deleted which variable when, newest first. Values are not kept. */
export const EnvHistory = z.object({
  changes: z.array(
    z.object({
      name: EnvName,
      action: z.enum(['set', 'deleted']),
      at: Timestamp,
      /** The token that was used; null when it was none. */
      token_id: z.string().nullable(),
    }),
  ),
  ...nextCursor,
})

export const UpdateEnv = z.strictObject({
  /** Merged into what is there; `null` deletes a name. */
  env: z.record(EnvName, z.string().nullable()),
})

export const Deleted = z.object({ deleted: z.literal(true), id: z.string() })
