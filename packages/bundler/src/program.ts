import { createHash } from 'node:crypto'
import { BundleError, type Diagnostic } from './BundleError.ts'
import type { Bundle, BundleOptions, OpenedProgram } from './bundle.ts'
import { bundleEntry, checkSetSize, openProgram } from './bundle.ts'
import type { Config, Html, NotFound, QueueConsumer } from './config.ts'
import { findEntry, siteFolders } from './entry.ts'
import type { Files } from './Files.ts'
import { Ignoring, isSecret } from './ignoring.ts'
import { joinPath } from './packageExports.ts'
import type { FoundFile } from './Source.ts'
import { type HeaderRule, parseHeaders, parseRedirects, type RedirectRule } from './siteRules.ts'
import { jsonc, parseTable, Table } from './Table.ts'

/** A file that is served as it is. */
export interface Asset {
  /** Path on the site, not percent-encoded: `/index.html`. */
  path: string
  sizeBytes: number
  /** SHA-256 of the content, hex. */
  sha256: string
  /** Reads the content, from memory or from disk. */
  bytes(): Promise<Uint8Array>
}

export interface Assets {
  /** Sorted by path. */
  files: Asset[]
  /** Name under which the program reaches them in `env`; undefined when it does not. */
  binding?: string
  /** What answers a path that no file has. */
  notFound: NotFound
  html: Html
  /** The program runs before the files are looked at, on every path or on these patterns. */
  workerFirst: boolean | string[]
  /** What `_headers` says; undefined when it says nothing. */
  headers?: HeaderRule[]
  /** What `_redirects` says. */
  redirects?: RedirectRule[]
}

/** Everything that a deploy needs. */
export interface Program {
  /** As the configuration names it, else package.json; not checked to be a name of a project. */
  name?: string
  /** Missing for a site of static files. */
  bundle?: Bundle
  assets?: Assets
  settings: {
    /** `2026-01-31` */
    compatibilityDate?: string
    compatibilityFlags: string[]
    vars: Record<string, unknown>
    ttlHours?: number
    budgetUsd?: number
    /** Names of the bindings. */
    kv: string[]
    d1: { binding: string; database: string }[]
    durableObjects: { binding: string; className: string }[]
    queues: { binding: string; queue: string }[]
    queueConsumers: QueueConsumer[]
    services: { binding: string; service: string }[]
    /** Five fields each, as written. */
    crons: string[]
    /** The only hosts that the program may reach; undefined for every public one. */
    egress?: string[]
  }
  /** SHA-256 (hex) over modules, assets and settings: the same digest is the same deployment. */
  digest: string
  warnings: Diagnostic[]
}

/**
 * Reads a whole program, code and static files, from a folder or a set of files, as its
 * configuration (`jack.json`, `wrangler.jsonc`, `wrangler.json`, `wrangler.toml`) or its shape says.
 *
 * Throws `BundleError` as `bundle` does, and `missing_files` when there is neither a module to start
 * with nor a page to serve.
 */
export async function readProgram(
  from: Files | string,
  options: BundleOptions = {},
): Promise<Program> {
  const opened = await openProgram(from, options)
  const { source, config } = opened
  const entry = await findEntry(source, config, options.entry)
  const site = await findSite(opened, entry)
  checkSetSize(opened, site?.folder ?? '')
  if (entry === undefined && site === undefined) throw await nothingFound(opened)

  const warnings = [...config.warnings]
  const bundle = entry === undefined ? undefined : await bundleEntry(opened, entry, options)
  const assets = site === undefined ? undefined : await readAssets(opened, site, entry, warnings)
  await warnOfFunctions(opened, entry, warnings)
  if (bundle) warnings.push(...bundle.warnings)
  const name = config.name ?? (await packageName(opened))
  const settings = settingsOf(config)
  return {
    ...(name === undefined ? {} : { name }),
    ...(bundle ? { bundle } : {}),
    ...(assets ? { assets } : {}),
    settings,
    digest: digestOf(bundle, assets, settings),
    warnings,
  }
}

interface Site {
  /** '' is the top. */
  folder: string
  /** Named by the author or found as a build product: then .gitignore does not hide it. */
  isNamed: boolean
}

async function findSite(
  { source, config }: OpenedProgram,
  entry: string | undefined,
): Promise<Site | undefined> {
  const named = config.assets?.directory
  if (named !== undefined) {
    const folder = joinPath('', named)
    if (folder === undefined || named.startsWith('/') || named.includes('\\')) {
      throw new BundleError(
        'invalid_request',
        `The assets folder ${JSON.stringify(named)} lies outside the program.`,
      )
    }
    if (folder === '' || (await source.hasFolder(folder))) return { folder, isNamed: folder !== '' }
    throw new BundleError(
      'missing_files',
      `The assets folder ${folder} is not there.`,
      'Build the site first, for example with npm run build.',
    )
  }
  const pages = entry === undefined ? undefined : pagesFolder(entry)
  if (pages !== undefined && config.main === undefined) return { folder: pages, isNamed: true }
  // A Workers project serves only what its configuration says.
  if (entry !== undefined && config.isWorkersProject) return undefined
  for (const folder of siteFolders) {
    if (await source.has(`${folder}/index.html`)) return { folder, isNamed: true }
  }
  if (entry !== undefined || !(await source.has('index.html'))) return undefined
  await refuseUnbuilt(source)
  return { folder: '', isNamed: false }
}

/** A page that loads TypeScript or JSX is the start of a build, not something a browser can show. */
async function refuseUnbuilt(source: OpenedProgram['source']): Promise<void> {
  const html = (await source.text('index.html')) ?? ''
  const script = /<script\b[^>]{0,2000}?\bsrc\s*=\s*["']?([^"'\s>]+\.(?:tsx?|jsx))\b/i.exec(
    html,
  )?.[1]
  if (script === undefined) return
  throw new BundleError(
    'missing_files',
    `index.html loads ${script}, which a browser cannot run, and there is no built site.`,
    'Build it first, for example with npm run build, so that there is a dist folder.',
  )
}

async function nothingFound({ source }: OpenedProgram): Promise<BundleError> {
  const isPackage = await source.has('package.json')
  return new BundleError(
    'missing_files',
    'There is neither a module to start with nor a page to serve.',
    isPackage
      ? 'Build the project first, add an index.ts, or name the module: "main" in jack.json.'
      : 'Add an index.ts or an index.html, or name the module: "main" in jack.json.',
  )
}

async function readAssets(
  { source, config, limits }: OpenedProgram,
  { folder, isNamed }: Site,
  entry: string | undefined,
  warnings: Diagnostic[],
): Promise<Assets> {
  const prefix = folder === '' ? '' : `${folder}/`
  const found = await source.walk(folder, { ignoring: !isNamed, limit: limits.assetFiles + 100 })
  const rules = new Ignoring()
  rules.add('', (await source.text(`${prefix}.assetsignore`)) ?? '')
  const served = found.filter(({ path }) => {
    const inside = path.slice(prefix.length)
    if (!isSecret(inside)) return isServed(inside, folder === '') && !rules.ignores(inside)
    warnings.push({ file: path, text: `${path} holds secrets and is not served.` })
    return false
  })
  if (served.length > limits.assetFiles) {
    throw new BundleError(
      'code_too_large',
      `${served.length} static files are more than the limit of ${limits.assetFiles}.`,
    )
  }
  const total = served.reduce((sum, file) => sum + file.sizeBytes, 0)
  if (total > limits.assetBytes) {
    throw new BundleError(
      'code_too_large',
      `The static files are ${total} bytes; the limit is ${limits.assetBytes}.`,
    )
  }
  const files: Asset[] = []
  for (let at = 0; at < served.length; at += 16) {
    const part = served.slice(at, at + 16)
    files.push(
      ...(await Promise.all(part.map((file) => toAsset(file, file.path.slice(prefix.length))))),
    )
  }
  const isPagesWorker =
    config.main === undefined && entry !== undefined && pagesFolder(entry) === folder
  const { binding, notFound, html, workerFirst } = isPagesWorker
    ? { ...config.assets, binding: 'ASSETS', workerFirst: await pagesRoutes(source, prefix) }
    : (config.assets ?? {})
  return {
    files,
    ...(binding === undefined ? {} : { binding }),
    notFound:
      notFound ?? usualNotFound(files, entry !== undefined, isPagesWorker || 'pages' in config),
    html: html ?? 'auto-trailing-slash',
    workerFirst: workerFirst ?? false,
    ...(await siteRules(source, prefix, warnings)),
  }
}

/** The folder of a site whose worker this entry is, as Cloudflare Pages has it. */
const pagesFolder = (entry: string): string | undefined =>
  /^(.+)\/_worker\.js(?:\/index\.js)?$/.exec(entry)?.[1]

/** A worker of Pages comes before the files, on the paths that `_routes.json` says. */
async function pagesRoutes(
  source: OpenedProgram['source'],
  prefix: string,
): Promise<boolean | string[]> {
  const file = `${prefix}_routes.json`
  const text = await source.text(file)
  if (text === undefined) return true
  const table = new Table(file, parseTable(file, text), [])
  const exclude = table.strings('exclude') ?? []
  return [...(table.strings('include') ?? []), ...exclude.map((path) => `!${path}`)]
}

async function warnOfFunctions(
  { source, config }: OpenedProgram,
  entry: string | undefined,
  warnings: Diagnostic[],
): Promise<void> {
  if (entry !== undefined || config.main !== undefined || !(await source.hasFolder('functions')))
    return
  const folder = config.pages?.replace(/^(?:\.\/)+|\/+$/g, '') ?? 'dist'
  warnings.push({
    file: 'functions',
    text: 'The functions folder is not run: Jack runs one worker.',
    hint: `If it holds Pages Functions, make one of them first: npx wrangler pages functions build --outdir ${folder}/_worker.js`,
  })
}

async function siteRules(
  source: OpenedProgram['source'],
  prefix: string,
  warnings: Diagnostic[],
): Promise<Pick<Assets, 'headers' | 'redirects'>> {
  const parsed = async <Rule>(
    name: string,
    parse: (text: string, file: string) => { rules: Rule[]; warnings: Diagnostic[] },
  ) => {
    const file = prefix + name
    const { rules, warnings: found } = parse((await source.text(file)) ?? '', file)
    // A file of nothing but mistakes need not be told line by line.
    warnings.push(...found.slice(0, 20))
    return rules
  }
  const headers = await parsed('_headers', parseHeaders)
  const redirects = await parsed('_redirects', parseRedirects)
  return {
    ...(headers.length > 0 && { headers }),
    ...(redirects.length > 0 && { redirects }),
  }
}

async function toAsset(file: FoundFile, inside: string): Promise<Asset> {
  const bytes = await file.bytes()
  return {
    path: `/${inside}`,
    sizeBytes: bytes.byteLength,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bytes: file.bytes,
  }
}

/** Files that configure a site or belong to its making are not part of it. */
function isServed(path: string, isTop: boolean): boolean {
  const [first = ''] = path.split('/')
  if (/^(?:_headers|_redirects|_routes\.json|\.assetsignore|_worker\.js)$/.test(first)) return false
  if (/(?:^|\/)\.(?:gitignore|jackignore|gitattributes|gitkeep)$/.test(path)) return false
  if (!isTop) return true
  if (first.startsWith('.') && first !== '.well-known') return false
  return !/^(?:package(?:-lock)?\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|pnpm-workspace\.yaml|yarn\.lock|bun\.lockb?|jack\.jsonc?|wrangler\.(?:jsonc?|toml)|tsconfig.*\.json|[\w.-]+\.config\.[cm]?[jt]s)$/.test(
    path,
  )
}

function usualNotFound(files: Asset[], hasProgram: boolean, isPages: boolean): NotFound {
  if (files.some(({ path }) => path === '/404.html')) return '404-page'
  if (isPages && files.some(({ path }) => path === '/index.html')) return 'single-page-application'
  const pages = files.filter(({ path }) => path.endsWith('.html'))
  const isOnePage = pages.length === 1 && pages[0]?.path === '/index.html'
  return isOnePage && !hasProgram ? 'single-page-application' : 'none'
}

async function packageName({ source }: OpenedProgram): Promise<string | undefined> {
  const text = await source.text('package.json')
  const manifest = text === undefined ? undefined : jsonc('package.json', text)
  const name =
    typeof manifest === 'object' && manifest !== null && Object.hasOwn(manifest, 'name')
      ? (manifest as { name?: unknown }).name
      : undefined
  return typeof name === 'string' && name !== '' ? name.replace(/^@[^/]+\//, '') : undefined
}

function settingsOf(config: Config): Program['settings'] {
  const { compatibilityDate, ttlHours, budgetUsd } = config
  return {
    ...(compatibilityDate === undefined ? {} : { compatibilityDate }),
    compatibilityFlags: config.compatibilityFlags,
    vars: config.vars,
    ...(ttlHours === undefined ? {} : { ttlHours }),
    ...(budgetUsd === undefined ? {} : { budgetUsd }),
    kv: config.kv,
    d1: config.d1.map(({ binding, database }) => ({ binding, database })),
    durableObjects: config.durableObjects,
    queues: config.queues,
    queueConsumers: config.queueConsumers,
    services: config.services,
    crons: config.crons,
    ...(config.egress === undefined ? {} : { egress: config.egress }),
  }
}

function digestOf(
  bundle: Bundle | undefined,
  assets: Assets | undefined,
  settings: Program['settings'],
): string {
  const served = assets && {
    ...assets,
    files: assets.files.map(({ path, sha256 }) => [path, sha256]),
  }
  return createHash('sha256')
    .update(sorted([bundle?.digest ?? null, served ?? null, settings]))
    .digest('hex')
}

/** JSON with the keys of every object in order, so that equal settings read the same. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
