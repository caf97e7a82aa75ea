import type { QueueConsumer } from './Bindings.ts'
import type { ManifestInput } from './Deploy.ts'
import { nodeFlags } from './nodeFlags.ts'
import type { HeaderRule, RedirectRule } from './SiteRules.ts'

/** What a program needs when it does not say its own date. */
export const defaultCompatibilityDate = '2026-11-01'

/** The first date on which the runtime has Node's modules without a flag; tried, since no page says it. */
const nodeByDefaultSince = '2026-08-04'

/** The shape of a program that the bundler reads, as far as a manifest needs it. */
export interface ProgramShape {
  bundle?: {
    main: string
    usesNode: boolean
    nodeModules: string[]
    modules: { name: string; type: 'esm' | 'text' | 'data' | 'wasm' | 'json' }[]
  }
  assets?: {
    files: { path: string; sha256: string; sizeBytes: number }[]
    binding?: string
    notFound: 'none' | '404-page' | 'single-page-application'
    html: 'auto-trailing-slash' | 'force-trailing-slash' | 'drop-trailing-slash' | 'none'
    workerFirst: boolean | string[]
    headers?: HeaderRule[]
    redirects?: RedirectRule[]
  }
  settings: {
    compatibilityDate?: string
    compatibilityFlags: string[]
    vars: Record<string, unknown>
    ttlHours?: number
    budgetUsd?: number
    /** `namespace` is the binding's own name: a program's data stays when it moves between accounts. */
    kv: string[]
    d1: { binding: string; database: string }[]
    durableObjects: { binding: string; className: string }[]
    queues: { binding: string; queue: string }[]
    services: { binding: string; service: string }[]
    queueConsumers: QueueConsumer[]
    crons: string[]
    egress?: string[]
  }
}

/**
 * The manifest of a program. `digests` are sha256 and size of each of `bundle.modules`, in their order;
 * `sourceMap` is the sha256 of the map's text.
 */
export function manifestOf(
  program: ProgramShape,
  digests: { sha256: string; sizeBytes: number }[],
  sourceMap?: string,
): ManifestInput {
  const { bundle, assets, settings } = program
  const date = settings.compatibilityDate ?? defaultCompatibilityDate
  const flags = new Set(settings.compatibilityFlags)
  if (bundle && !flags.has('no_nodejs_compat') && !flags.has('nodejs_compat')) {
    if (bundle.usesNode) flags.add('nodejs_compat')
    // Later dates bring Node's modules along unasked, and every start of the app would pay for them.
    else if (date >= nodeByDefaultSince) flags.add('no_nodejs_compat')
  }
  if (bundle && flags.has('nodejs_compat'))
    for (const flag of nodeFlags(date, bundle.nodeModules, flags)) flags.add(flag)
  return {
    main: bundle?.main ?? null,
    modules: (bundle?.modules ?? []).map(({ name, type }, i) => {
      const digest = digests[i]
      if (!digest) throw new RangeError(`no digest for module ${name}`)
      return { name, type, sha256: digest.sha256, size_bytes: digest.sizeBytes }
    }),
    ...(sourceMap && { source_map: sourceMap }),
    ...(assets && {
      assets: {
        files: assets.files.map((file) => ({
          path: file.path,
          sha256: file.sha256,
          size_bytes: file.sizeBytes,
        })),
        ...(assets.binding && { binding: assets.binding }),
        not_found: assets.notFound,
        html: assets.html,
        worker_first: assets.workerFirst,
        ...(assets.headers && { headers: assets.headers }),
        ...(assets.redirects && { redirects: assets.redirects }),
      },
    }),
    compatibility_date: date,
    compatibility_flags: [...flags],
    vars: settings.vars,
    bindings: [
      ...settings.kv.map((name) => ({ type: 'kv' as const, name, namespace: name })),
      ...settings.d1.map(({ binding: name, database }) => ({
        type: 'd1' as const,
        name,
        database,
      })),
      ...settings.durableObjects.map(({ binding: name, className: class_name }) => ({
        type: 'durable_object' as const,
        name,
        class_name,
      })),
      ...settings.queues.map(({ binding: name, queue }) => ({
        type: 'queue' as const,
        name,
        queue,
      })),
      ...settings.services.map(({ binding: name, service }) => ({
        type: 'service' as const,
        name,
        service,
      })),
    ],
    crons: settings.crons,
    queue_consumers: settings.queueConsumers,
    ...(settings.egress && { egress: settings.egress }),
    ...(settings.ttlHours !== undefined && { ttl_hours: settings.ttlHours }),
    ...(settings.budgetUsd !== undefined && { budget_usd: settings.budgetUsd.toFixed(6) }),
  }
}
