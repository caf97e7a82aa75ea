import { pathProblem } from '@jackcloud/bundler'
import { type Binding, toUsd } from '@jackcloud/sdk/wire'
import type { Version } from './Deployment.ts'
import type { Project } from './Project.ts'

/** A file of a project's export: written here, or stored under a digest. */
export type CapsuleFile = { path: string } & (
  | { text: string }
  | { sha256: string; sizeBytes?: number }
)

/**
 * A version as a folder that can be deployed again as it is: its code as it was bundled, static files, and the settings
 * that made it. `leftOut` names what has no place in a folder.
 */
export function capsuleOf(
  project: Project,
  version: Version,
): { files: CapsuleFile[]; leftOut: string[] } {
  const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`
  const files: CapsuleFile[] = [
    { path: 'wrangler.jsonc', text: json(wranglerOf(project, version)) },
    { path: 'jack.json', text: json(jackOf(project, version)) },
    ...version.modules.map(({ name, sha256, sizeBytes }) => ({
      path: `src/${name}`,
      sha256,
      sizeBytes,
    })),
  ]
  if (version.sourceMap) files.push({ path: `src/${version.main}.map`, sha256: version.sourceMap })
  const { assets } = version
  for (const { path, sha256, size_bytes } of assets?.files ?? [])
    files.push({ path: `public${path}`, sha256, sizeBytes: size_bytes })
  if (assets?.headers?.length)
    files.push({ path: 'public/_headers', text: assets.headers.map(headersText).join('\n') })
  if (assets?.redirects?.length) {
    const lines = assets.redirects.map(({ from, to, status }) => `${from} ${to} ${status}\n`)
    files.push({ path: 'public/_redirects', text: lines.join('') })
  }
  const bad = files.filter(({ path }) => pathProblem(path) !== undefined)
  return { files: files.filter((it) => !bad.includes(it)), leftOut: bad.map((it) => it.path) }
}

/** In wrangler's own words, so that more than Jack can read it. */
function wranglerOf({ name }: Project, version: Version): object {
  const { assets, bindings } = version
  const of = <T extends Binding['type']>(type: T) =>
    bindings.filter((it): it is Extract<Binding, { type: T }> => it.type === type)
  const classes = of('durable_object').map((it) => it.class_name)
  const some = <T>(list: T[]): T[] | undefined => (list.length > 0 ? list : undefined)
  return {
    name,
    main: version.main === null ? undefined : `src/${version.main}`,
    compatibility_date: version.compatibilityDate,
    compatibility_flags: some(version.compatibilityFlags),
    vars: Object.keys(version.vars).length > 0 ? version.vars : undefined,
    rules: some(version.modules.flatMap(ruleOf)),
    assets: assets
      ? {
          directory: 'public',
          binding: assets.binding,
          not_found_handling: assets.not_found,
          html_handling: assets.html,
          run_worker_first: assets.worker_first,
        }
      : undefined,
    kv_namespaces: some(of('kv').map((it) => ({ binding: it.name, id: it.namespace }))),
    d1_databases: some(of('d1').map((it) => ({ binding: it.name, database_name: it.database }))),
    durable_objects: some(classes) && {
      bindings: of('durable_object').map((it) => ({ name: it.name, class_name: it.class_name })),
    },
    migrations: some(classes) && [{ tag: 'v1', new_sqlite_classes: [...new Set(classes)] }],
    queues: (some(of('queue')) || some(version.queueConsumers)) && {
      producers: some(of('queue').map((it) => ({ binding: it.name, queue: it.queue }))),
      consumers: some(version.queueConsumers),
    },
    services: some(of('service').map((it) => ({ binding: it.name, service: it.service }))),
    triggers: some(version.crons) && { crons: version.crons },
  }
}

/** What only Jack knows. */
const jackOf = (project: Project, version: Version): object => ({
  ttl_hours: project.ttlHours ?? undefined,
  budget_usd: project.budgetMicroUsd === null ? undefined : Number(toUsd(project.budgetMicroUsd)),
  egress: version.egress ?? undefined,
})

/** So that a module is what it was, whatever its name ends with. */
function ruleOf({ name, type }: Version['modules'][number]): object[] {
  const types = {
    text: 'Text',
    data: 'Data',
    wasm: 'CompiledWasm',
    esm: undefined,
    json: undefined,
  }
  return types[type] ? [{ type: types[type], globs: [`**/${name}`] }] : []
}

const headersText = ({
  host,
  path,
  unset,
  set,
}: {
  host?: string | undefined
  path: string
  unset: string[]
  set: [string, string][]
}): string =>
  [
    `${host === undefined ? '' : `https://${host}`}${path}`,
    ...unset.map((name) => `  ! ${name}`),
    ...set.map(([name, value]) => `  ${name}: ${value}`),
    '',
  ].join('\n')
