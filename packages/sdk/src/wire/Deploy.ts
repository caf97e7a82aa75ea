import { z } from 'zod'
import { capabilities } from './Bindings.ts'
import { Files } from './Execute.ts'
import { EnvName, ProjectName, Timestamp, TtlHours } from './Names.ts'
import { siteRules } from './SiteRules.ts'
import { Usd, UsdInput } from './Usd.ts'
import { Variable } from './Variable.ts'

/** A request that the new version must answer as said before traffic moves to it. */
export const Verify = z.strictObject({
  path: z.string().startsWith('/').max(2_000),
  status: z.number().int().min(100).max(599).default(200),
})

/** What to set on the project while deploying to it. */
const projectSettings = {
  /** Environment to merge before the version starts; `null` deletes a name. */
  env: z.record(EnvName, z.string().nullable()).optional(),
  /** The most that the project may spend on runtime, in USD. */
  budget_usd: UsdInput.optional(),
  /** Hours until the project expires. */
  ttl_hours: TtlHours.optional(),
  verify: z.array(Verify).max(10).optional(),
  /** Whether a project of that name may be redeployed. `refuse` answers `name_taken`. */
  if_exists: z.enum(['update', 'refuse']).default('update'),
}

/** Sources to bundle on the server and put on a live URL. */
export const DeployRequest = z.strictObject({
  /** May be missing when they are staged. */
  files: Files.default({}),
  /** Made up when missing. */
  name: ProjectName.optional(),
  /** Deploy what is staged under the name, with `files` over it. */
  staged: z.boolean().optional(),
  entry: z.string().max(512).optional(),
  ...projectSettings,
})
export type DeployRequest = z.input<typeof DeployRequest>

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

export const moduleTypes = ['esm', 'text', 'data', 'wasm', 'json'] as const

/** Static files of a deployment and how they are served. */
export const AssetSettings = z.strictObject({
  files: z
    .array(
      z.strictObject({
        /** URL path, decoded: "/index.html". */
        path: z.string().startsWith('/').max(1_024),
        sha256,
        size_bytes: z.number().int().min(0),
      }),
    )
    .max(2_000),
  /** Name of the binding that hands the files to the worker. */
  binding: EnvName.optional(),
  not_found: z.enum(['none', '404-page', 'single-page-application']).default('none'),
  html: z
    .enum(['auto-trailing-slash', 'force-trailing-slash', 'drop-trailing-slash', 'none'])
    .default('auto-trailing-slash'),
  /** Paths for which the worker answers before the files: all, none, or patterns such as "/api/*". */
  worker_first: z.union([z.boolean(), z.array(z.string().max(256)).max(100)]).default(false),
  ...siteRules,
})
export type AssetSettings = z.infer<typeof AssetSettings>

/**
 * What a client that bundled by itself uploads: this, as the multipart field `manifest`, and one file part for each
 * sha256 in it, named by that sha256.
 */
export const Manifest = z.strictObject({
  /** The entry among `modules`; null when there are only static files. */
  main: z.string().max(512).nullable(),
  modules: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(512),
        type: z.enum(moduleTypes),
        sha256,
        size_bytes: z.number().int().min(0),
      }),
    )
    .max(500),
  source_map: sha256.optional(),
  assets: AssetSettings.optional(),
  compatibility_date: z.iso.date().optional(),
  compatibility_flags: z.array(z.string().max(100)).max(50).default([]),
  /** Variables that belong to this version, in plain sight: texts, or other JSON. Secrets go into `env`. */
  vars: z.record(EnvName, Variable).default({}),
  ...capabilities,
  ...projectSettings,
})
export type Manifest = z.infer<typeof Manifest>
export type ManifestInput = z.input<typeof Manifest>

export const DeployResponse = z.object({
  url: z.url(),
  deployment_url: z.url(),
  deployment_id: z.string(),
  project_id: z.string(),
  name: ProjectName,
  expires_at: Timestamp.nullable(),
  ttl_hours: z.number().nullable(),
  /** sha256 over code, files and settings of the version. */
  digest: sha256,
  /** The same version was live already: nothing changed and nothing was charged. */
  deduplicated: z.boolean(),
  /** The project did not exist before. */
  created: z.boolean(),
  size_bytes: z.number(),
  warnings: z.array(z.string()),
  charged_usd: Usd,
  /**
   * Of what a wallet deployed: who opens it in a browser and signs in gets the project, once, within a day. The next
   * deploy makes another one. Keep it as secret as the project is worth.
   */
  claim_url: z.url().optional(),
})
export type DeployResponse = z.infer<typeof DeployResponse>
