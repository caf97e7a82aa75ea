import { BundleError, type Diagnostic } from './BundleError.ts'
import { findBuiltConfig } from './builtConfig.ts'
import type { Rule } from './modules.ts'
import { joinPath } from './packageExports.ts'
import { folderSource, type Source } from './Source.ts'
import { parseTable, Table } from './Table.ts'

export type NotFound = 'none' | '404-page' | 'single-page-application'
export type Html = 'auto-trailing-slash' | 'force-trailing-slash' | 'drop-trailing-slash' | 'none'

/** How a program takes the messages of a queue; the names are wrangler's, times in seconds. */
export interface QueueConsumer {
  queue: string
  max_batch_size?: number
  max_batch_timeout?: number
  max_retries?: number
  retry_delay?: number
  max_concurrency?: number
  dead_letter_queue?: string
}

export interface D1Database {
  binding: string
  database: string
  /** Where its migrations are, when that is said. */
  migrationsFolder?: string
  /** The table that says which were applied, when it is named. */
  migrationsTable?: string
}

/** What the configuration files of a program say, `jack.json` over wrangler's. */
export interface Config {
  /** The configuration file that names the entry, for messages. */
  file: string | undefined
  /** A wrangler file was found: then only what it says is served. */
  isWorkersProject: boolean
  name?: string
  main?: string
  compatibilityDate?: string
  compatibilityFlags: string[]
  /** Texts, and whatever else JSON can say. */
  vars: Record<string, unknown>
  ttlHours?: number
  budgetUsd?: number
  /** A project of Cloudflare Pages: the folder that its build fills, where its worker lies too, if it has one. */
  pages?: string
  assets?: {
    directory: string | undefined
    binding: string | undefined
    notFound: NotFound | undefined
    html: Html | undefined
    workerFirst: boolean | string[]
  }
  kv: string[]
  d1: D1Database[]
  durableObjects: { binding: string; className: string }[]
  queues: { binding: string; queue: string }[]
  queueConsumers: QueueConsumer[]
  services: { binding: string; service: string }[]
  crons: string[]
  egress?: string[]
  rules: Rule[]
  alias: Record<string, string>
  define: Record<string, string>
  tsconfig?: string
  minify?: boolean
  keepNames?: boolean
  warnings: Diagnostic[]
}

const wranglerFiles = ['wrangler.json', 'wrangler.jsonc', 'wrangler.toml']

/** Keys of wrangler that are read, or that have nothing to say to Jack. */
const wranglerKeys = new Set(
  (
    'name main compatibility_date compatibility_flags vars assets kv_namespaces d1_databases ' +
    'durable_objects queues services triggers rules alias define site tsconfig minify pages_build_output_dir ' +
    '$schema account_id workers_dev preview_urls send_metrics dev observability logpush ' +
    'upload_source_maps keep_vars migrations base_dir preserve_file_names ' +
    'usage_model jsx_factory jsx_fragment keep_names legacy_env'
  ).split(' '),
)

/** Keys of wrangler that mean something which Jack does not do, and what the author should know. */
const notCarried = new Map<string, string>([
  ...(
    'r2_buckets vectorize ai browser hyperdrive analytics_engine_datasets workflows ' +
    'send_email mtls_certificates dispatch_namespaces version_metadata images media pipelines ' +
    'secrets_store_secrets ratelimits unsafe wasm_modules text_blobs data_blobs vpc_services ' +
    'unsafe_hello_world worker_loaders stream'
  )
    .split(' ')
    .map((key) => [key, 'its bindings will be undefined in env'] as const),
  ['route', 'the program is reachable on its Jack URL only'],
  ['routes', 'the program is reachable on its Jack URL only'],
  ['zone_id', 'the program is reachable on its Jack URL only'],
  ['env', 'only the top level of the file is used'],
  ['build', 'run the build command yourself before you deploy'],
  ['no_bundle', 'the program is bundled all the same'],
  ['find_additional_modules', 'what is imported by a name made at run time is not found'],
  ['placement', 'Jack places the program itself'],
  ['limits', "Jack's own limits apply"],
  ['tail_consumers', 'logs are kept by Jack itself'],
  ['streaming_tail_consumers', 'logs are kept by Jack itself'],
  ['containers', 'no container is started'],
  ['logfwdr', 'logs are kept by Jack itself'],
  ['python_modules', 'only JavaScript and WebAssembly run'],
])

const jackKeys = new Set(
  (
    '$schema name main assets compatibility_date compatibility_flags vars ttl_hours budget_usd url ' +
    'kv_namespaces d1_databases durable_objects queues services triggers egress migrations'
  ).split(' '),
)
const assetKeys = new Set(
  'directory binding not_found_handling html_handling run_worker_first'.split(' '),
)

/** The name and the databases that the configuration files of a folder say. Throws `missing_files` without a folder. */
export async function readDatabases(
  folder: string,
): Promise<{ name: string | undefined; databases: D1Database[] }> {
  const { name, d1 } = await readConfig(await folderSource(folder))
  return { name, databases: d1 }
}

/** Reads `jack.json` and the wrangler file of a program; either may be missing. */
export async function readConfig(source: Source): Promise<Config> {
  const config: Config = {
    file: undefined,
    isWorkersProject: false,
    compatibilityFlags: [],
    vars: {},
    kv: [],
    d1: [],
    durableObjects: [],
    queues: [],
    queueConsumers: [],
    services: [],
    crons: [],
    rules: [],
    alias: {},
    define: {},
    warnings: [],
  }
  const built = await findBuiltConfig(source, config.warnings)
  let seen: string | undefined
  for (const file of built === undefined ? wranglerFiles : [built]) {
    const text = await source.text(file)
    if (text === undefined) continue
    if (seen !== undefined) {
      config.warnings.push({ file, text: `${file} is not read: ${seen} comes first.` })
      continue
    }
    seen = file
    const table = new Table(file, parseTable(file, text), config.warnings)
    readWrangler(table, config, built !== undefined)
  }
  if (built !== undefined) moveInto(built, config)
  for (const file of ['jack.json', 'jack.jsonc']) {
    const text = await source.text(file)
    if (text === undefined) continue
    readJack(new Table(file, parseTable(file, text), config.warnings), config)
    break
  }
  return config
}

function readWrangler(table: Table, config: Config, isBuilt: boolean): void {
  config.isWorkersProject = true
  for (const key of table.keys()) {
    const lost = notCarried.get(key)
    // A build writes every key that it knows, and says what it did itself.
    if (isBuilt && (lost === undefined || /^(?:no_bundle|build|python_modules)$/.test(key)))
      continue
    if (lost !== undefined) {
      if (table.isEmpty(key)) continue
      config.warnings.push({ file: table.file, text: `"${key}" is not carried by Jack: ${lost}.` })
    } else if (!wranglerKeys.has(key)) table.unknown(key, [...wranglerKeys, ...notCarried.keys()])
  }
  readCommon(table, config)
  readBindings(table, config)
  readAssets(table, config)
  const pages = table.string('pages_build_output_dir')
  if (pages !== undefined && !config.assets) {
    config.assets = onlyDirectory(pages)
    config.pages = pages
  }
  const bucket = table.table('site')?.string('bucket')
  if (bucket !== undefined && !config.assets) {
    config.assets = onlyDirectory(bucket)
    config.warnings.push({
      file: table.file,
      text: '"site" is served as static assets; the __STATIC_CONTENT binding is undefined.',
      hint: 'Use "assets": { "directory": ... } instead.',
    })
  }
  for (const entry of table.tables('rules')) {
    const type = entry.string('type')
    const globs = entry.strings('globs') ?? []
    if (type === 'Text' || type === 'Data' || type === 'CompiledWasm')
      config.rules.push({ type, globs })
    else if (type !== 'ESModule' && type !== 'CommonJS') {
      config.warnings.push({
        file: table.file,
        text: `The rule type "${type}" is not carried by Jack.`,
      })
    }
  }
  config.alias = table.record('alias') ?? {}
  config.define = table.record('define') ?? {}
  const tsconfig = table.string('tsconfig')
  if (tsconfig !== undefined) config.tsconfig = tsconfig
  const minify = table.boolean('minify')
  if (minify !== undefined) config.minify = minify
  const keepNames = table.boolean('keep_names')
  if (keepNames !== undefined) config.keepNames = keepNames
}

/** Paths in a file that a build wrote begin in its folder. */
function moveInto(file: string, config: Config): void {
  const folder = file.slice(0, Math.max(file.lastIndexOf('/'), 0))
  const moved = (path: string): string => {
    const inside = joinPath(folder, path)
    if (inside !== undefined) return inside
    throw new BundleError('invalid_request', `${file}: ${path} lies outside the program.`)
  }
  if (config.main !== undefined) config.main = moved(config.main)
  if (config.assets?.directory !== undefined)
    config.assets.directory = moved(config.assets.directory)
  delete config.tsconfig
}

function readJack(table: Table, config: Config): void {
  for (const key of table.keys()) if (!jackKeys.has(key)) table.unknown(key, jackKeys)
  readCommon(table, config)
  readBindings(table, config)
  readAssets(table, config)
  const ttlHours = table.number('ttl_hours')
  if (ttlHours !== undefined) config.ttlHours = ttlHours
  const budgetUsd = table.number('budget_usd')
  if (budgetUsd !== undefined) config.budgetUsd = budgetUsd
  const egress = table.strings('egress')
  if (egress !== undefined) config.egress = egress
}

function readCommon(table: Table, config: Config): void {
  const name = table.string('name')
  if (name !== undefined) config.name = name
  const main = table.string('main')
  if (main !== undefined) {
    config.main = main
    config.file = table.file
  }
  const date = table.string('compatibility_date')
  if (date !== undefined) {
    if (!/^\d{4}-\d{2}-\d{2}$/.test(date))
      table.fail('compatibility_date', 'a date such as "2026-01-31"')
    config.compatibilityDate = date
  }
  config.compatibilityFlags = table.strings('compatibility_flags') ?? config.compatibilityFlags
  for (const [key, value] of table.entries('vars')) {
    Object.defineProperty(config.vars, key, {
      // TOML has dates, which JSON says as text.
      value: JSON.parse(JSON.stringify(value)),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
}

/** The same words in `jack.json` as in wrangler's files; what `jack.json` names replaces what wrangler's names. */
function readBindings(table: Table, config: Config): void {
  if (table.has('kv_namespaces'))
    config.kv = table.tables('kv_namespaces').flatMap((entry) => entry.required('binding'))
  if (table.has('d1_databases')) {
    config.d1 = table.tables('d1_databases').map((entry) => {
      const [binding] = entry.required('binding')
      const migrationsFolder = entry.string('migrations_dir')
      const migrationsTable = entry.string('migrations_table')
      return {
        binding,
        database: entry.string('database_name') ?? binding,
        ...(migrationsFolder !== undefined && { migrationsFolder }),
        ...(migrationsTable !== undefined && { migrationsTable }),
      }
    })
  }
  const objects = table.table('durable_objects')
  if (objects) config.durableObjects = []
  for (const entry of objects?.tables('bindings') ?? []) {
    const [binding] = entry.required('name')
    const [className] = entry.required('class_name')
    if (entry.string('script_name') === undefined)
      config.durableObjects.push({ binding, className })
    else {
      config.warnings.push({
        file: table.file,
        text: `The Durable Object ${binding} lives in another Worker, which Jack does not carry.`,
      })
    }
  }
  const queues = table.table('queues')
  if (queues) {
    config.queues = queues.tables('producers').map((entry) => ({
      binding: entry.required('binding')[0],
      queue: entry.required('queue')[0],
    }))
    config.queueConsumers = queues.tables('consumers').map(queueConsumer)
  }
  if (table.has('services')) {
    config.services = table.tables('services').map((entry) => {
      if (entry.string('entrypoint') !== undefined) {
        config.warnings.push({
          file: table.file,
          text: 'A service binding reaches the fetch handler of the other project, not a named entrypoint.',
        })
      }
      return { binding: entry.required('binding')[0], service: entry.required('service')[0] }
    })
  }
  const crons = table.table('triggers')?.strings('crons')
  if (crons !== undefined) config.crons = crons
}

function queueConsumer(entry: Table): QueueConsumer {
  const consumer: QueueConsumer = { queue: entry.required('queue')[0] }
  for (const key of [
    'max_batch_size',
    'max_batch_timeout',
    'max_retries',
    'retry_delay',
    'max_concurrency',
  ] as const) {
    const value = entry.value(key)
    if (value === undefined || value === null) continue
    if (typeof value !== 'number' || value < 0) return entry.fail(key, 'a number')
    consumer[key] = value
  }
  const dead = entry.string('dead_letter_queue')
  if (dead !== undefined) consumer.dead_letter_queue = dead
  return consumer
}

function readAssets(table: Table, config: Config): void {
  const short = table.value('assets')
  if (typeof short === 'string') {
    config.assets = onlyDirectory(short)
    return
  }
  const assets = table.table('assets')
  if (!assets) return
  for (const key of assets.keys()) if (!assetKeys.has(key)) assets.unknown(key, assetKeys)
  const first = assets.value('run_worker_first')
  config.assets = {
    directory: assets.string('directory'),
    binding: assets.string('binding'),
    notFound: assets.oneOf('not_found_handling', ['none', '404-page', 'single-page-application']),
    html: assets.oneOf('html_handling', [
      'auto-trailing-slash',
      'force-trailing-slash',
      'drop-trailing-slash',
      'none',
    ]),
    workerFirst: typeof first === 'boolean' ? first : (assets.strings('run_worker_first') ?? false),
  }
}

function onlyDirectory(directory: string): NonNullable<Config['assets']> {
  return { directory, binding: undefined, notFound: undefined, html: undefined, workerFirst: false }
}
