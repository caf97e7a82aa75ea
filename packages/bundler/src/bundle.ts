import { createHash } from 'node:crypto'
import { join, parse as parsePath } from 'node:path'
import * as esbuild from 'esbuild'
import type { Build, Module } from './Build.ts'
import { runtimePlugin } from './Build.ts'
import { BundleError, type Diagnostic } from './BundleError.ts'
import { defaultCacheDir } from './cache.ts'
import { type Config, readConfig } from './config.ts'
import { diagnose, portablePath } from './diagnose.ts'
import { findEntry } from './entry.ts'
import { type CommonOptions, commonOptions, importedLibraries } from './esbuildOptions.ts'
import { checkFiles, checkSourceSize, decode, type FileMap, type Files, isSource } from './Files.ts'
import { folderPlugin } from './folderPlugin.ts'
import { isSecret } from './ignoring.ts'
import { type Limits, withDefaults } from './Limits.ts'
import { type Lockfile, readPackageLock, readPnpmLock } from './lockfile.ts'
import { hasRiskyLines, inShortLines, isNestedTooDeeply } from './longLines.ts'
import { kindOf, type Rule } from './modules.ts'
import { npmPlugin } from './npmPlugin.ts'
import { type Contents, conditions, type Manifest } from './packageExports.ts'
import { type Declared, Packages, type UsedPackage } from './packages.ts'
import { isPlain } from './plain.ts'
import { folderSource, type Source, setSource } from './Source.ts'
import { aroundScript, isScript } from './script.ts'
import { inService, tooNested } from './service.ts'
import { setEntry, setPlugin } from './setPlugin.ts'
import { translateSimple } from './simple.ts'
import { jsonc } from './Table.ts'
import { readTsconfig } from './tsconfig.ts'

/** A program as modules that the runtime can load. */
export interface Bundle {
  /** Name of the module to start with; always `index.js`. */
  main: string
  /** The main module first, then WebAssembly and data files by name. */
  modules: Module[]
  /** Source map of the main module, as JSON (version 3), without absolute paths. Empty when it is the source itself. */
  sourceMap: string
  /** SHA-256 (hex) over names, types and bytes of the modules. */
  digest: string
  /** Of all modules together. */
  sizeBytes: number
  /** The files that went in: own ones by their path, others as `npm:...` or `node_modules/...`. */
  inputs: string[]
  packages: UsedPackage[]
  warnings: Diagnostic[]
  /** The program imports modules of Node.js from the runtime, or names globals of Node.js. */
  usesNode: boolean
  /** Those modules, without `node:`. */
  nodeModules: string[]
}

export interface BundleOptions {
  /** Path of the module to start with; found by convention and configuration when left out. */
  entry?: string
  /** Default true. */
  minify?: boolean
  /**
   * Leave a set of one file as it is when that is plain JavaScript without imports: no map, nothing minified, no
   * `define`. For programs that run once. Default false.
   */
  keepPlain?: boolean
  limits?: Partial<Limits>
  /** Folder of the package cache; default the user's cache folder. */
  cacheDir?: string
  /** Stops waiting; work that others share goes on. */
  signal?: AbortSignal
  /** Ask the npm registry nothing; what is not in the cache is an error. Default false. */
  offline?: boolean
  /** Global names and the expressions they are replaced with, as in esbuild. */
  define?: Record<string, string>
  /** Imports and what they are replaced with. */
  alias?: Record<string, string>
  /** Path of the tsconfig; default `tsconfig.json`. */
  tsconfig?: string
}

/**
 * Turns a program into one ES module (and the WebAssembly and data files that it imports).
 *
 * `source` is a folder on disk or a set of files. A set is untrusted: nothing of the machine is read
 * but the package cache. Packages come from node_modules, or from the npm registry by integrity and
 * without install scripts. The same input gives the same bytes everywhere.
 *
 * Throws `BundleError`: `missing_files` without an entry, `code_too_large`, `invalid_request` for
 * paths and configuration, `bundle_failed` with every error that was found.
 *
 * @example
 * const { modules, digest } = await bundle({ 'index.ts': 'export const run = (n: number) => n + 1' })
 */
export async function bundle(source: Files | string, options: BundleOptions = {}): Promise<Bundle> {
  const opened = await openProgram(source, options)
  checkSetSize(opened, '')
  const entry = await findEntry(opened.source, opened.config, options.entry)
  if (entry !== undefined) return bundleEntry(opened, entry, options)
  throw new BundleError(
    'missing_files',
    'There is no module to start with.',
    'Add an index.ts, or name the module: "main" in jack.json.',
  )
}

/** A program whose files are accepted and whose configuration is read. */
export interface OpenedProgram {
  source: Source
  map: FileMap | undefined
  config: Config
  limits: Limits
}

export async function openProgram(
  from: Files | string,
  options: BundleOptions,
): Promise<OpenedProgram> {
  options.signal?.throwIfAborted()
  const limits = withDefaults(options.limits)
  const map = typeof from === 'string' ? undefined : checkFiles(from, limits)
  const source = typeof from === 'string' ? await folderSource(from) : setSource(map ?? new Map())
  return { source, map, config: await readConfig(source), limits }
}

/** The source limit for a set: everything that is code and does not lie under `assetFolder`. */
export function checkSetSize({ map, limits }: OpenedProgram, assetFolder: string): void {
  if (!map) return
  const isAsset = (path: string) => assetFolder !== '' && path.startsWith(`${assetFolder}/`)
  checkSourceSize(
    [...map].filter(([path]) => !isAsset(path)),
    limits,
  )
}

export async function bundleEntry(
  opened: OpenedProgram,
  entry: string,
  options: BundleOptions,
): Promise<Bundle> {
  const { source, map, config, limits } = opened
  const warnings: Diagnostic[] = []
  const tsconfigPath = options.tsconfig ?? config.tsconfig
  const manifest = await readManifest(source)
  const declared = declaredIn(manifest)
  const tsconfig = map && (await readTsconfig(source, tsconfigPath))
  const common = commonOptions({
    minify: options.minify ?? config.minify ?? true,
    keepNames: config.keepNames ?? true,
    define: { ...config.define, ...options.define },
    declared,
    imported: importedLibraries(map ?? new Map()),
    raw: tsconfig?.raw,
  })
  if (isSecret(entry))
    throw new BundleError('invalid_request', `${entry} holds secrets and cannot be the entry.`)
  if (map) {
    refuseDeepNesting(map)
    const content = map.get(entry)
    const text = content === undefined ? undefined : decode(content)
    const plain = options.keepPlain && text !== undefined && isPlain(entry, text)
    const simple = plain
      ? { code: text, map: '' }
      : text === undefined || config.rules.length > 0
        ? undefined
        : await translateSimple(entry, text, common)
    if (simple) {
      return finish({
        ...simple,
        modules: [],
        inputs: [entry],
        packages: [],
        warnings,
        nodeModules: [],
        limits,
      })
    }
  }
  const packages = new Packages({
    cacheDir: options.cacheDir ?? defaultCacheDir(),
    limits,
    offline: options.offline ?? false,
    declared,
    lockfile: await readLockfile(source, warnings),
  })
  const build: Build = {
    limits,
    rules: config.rules,
    alias: new Map(Object.entries({ ...config.alias, ...options.alias })),
    packages,
    modules: new Map(),
    warnings,
    refused: undefined,
    mistakes: 0,
  }
  const folder = source.root
  const shortened = map && (await shortenLines(map, config.rules))
  const plugin =
    map && shortened && tsconfig
      ? setPlugin(build, { entry, map: shortened, tsconfig, contents: contentsOf(map, manifest) })
      : folderPlugin(build, { root: folder ?? '', declared })
  const how = {
    entry: folder === undefined ? setEntry : join(folder, entry),
    folder,
    tsconfig:
      folder !== undefined && tsconfigPath !== undefined ? join(folder, tsconfigPath) : undefined,
    plugins: [plugin, npmPlugin(build), runtimePlugin],
    build,
    signal: options.signal,
  }
  let result = await runEsbuild(common, how)
  if (looksLikeScript(result, entry)) await refuseTopLevelReturn(source, entry, common)
  if (isScript(mainOf(result)?.exports ?? [], codeOf(result))) {
    const told = warnings.length
    result = await runEsbuild({ ...common, ...aroundScript }, how)
    warnings.length = told
  }
  return finish({ ...collect(result, build), packages: await packages.used(), warnings, limits })
}

function refuseDeepNesting(map: FileMap): void {
  for (const [path, content] of map) {
    if (!isSource(path)) continue
    const text = decode(content)
    if (text !== undefined && isNestedTooDeeply(text)) throw tooNested(path)
  }
}

/** What a stranger sends must not make esbuild write hundreds of megabytes of messages. */
async function shortenLines(map: FileMap, rules: Rule[]): Promise<FileMap> {
  const shortened = new Map(map)
  for (const [path, content] of map) {
    const kind = kindOf(path, undefined, rules)
    if (kind?.as !== 'code' || !/^[jt]sx?$/.test(kind.loader)) continue
    const text = decode(content)
    if (text === undefined || !hasRiskyLines(text)) continue
    shortened.set(path, await inShortLines(path, text, kind.loader))
  }
  return shortened
}

type EsbuildResult = esbuild.BuildResult<{ write: false; metafile: true }>

async function runEsbuild(
  common: CommonOptions & Partial<typeof aroundScript>,
  {
    entry,
    folder,
    tsconfig,
    plugins,
    build,
    signal,
  }: {
    entry: string
    folder: string | undefined
    tsconfig: string | undefined
    plugins: esbuild.Plugin[]
    build: Build
    signal: AbortSignal | undefined
  },
): Promise<EsbuildResult> {
  try {
    const running = inService(() =>
      esbuild.build({
        ...common,
        entryPoints: [entry],
        bundle: true,
        write: false,
        metafile: true,
        outfile: join(folder ?? parsePath(process.cwd()).root, 'index.js'),
        absWorkingDir: folder ?? parsePath(process.cwd()).root,
        conditions,
        plugins,
        // What NODE_PATH of this machine says is not part of the program.
        nodePaths: [],
        ...(tsconfig === undefined ? {} : { tsconfig }),
      }),
    )
    const result = await untilAborted(running, signal)
    if (build.refused) throw build.refused
    const own = result.warnings.filter(
      ({ location }) => location !== null && !isForeign(location.file),
    )
    build.warnings.push(...diagnose(own, folder))
    return result
  } catch (error) {
    throw build.refused ?? asBundleError(error, folder)
  }
}

/** What esbuild rejects with, as an error of ours; anything else as it is. */
function asBundleError(error: unknown, folder: string | undefined): unknown {
  if (error instanceof BundleError) return error
  const { errors } = error as Partial<esbuild.BuildFailure>
  if (!Array.isArray(errors)) return error
  const diagnostics = diagnose(errors, folder)
  const [first] = diagnostics
  const place = first?.file === undefined ? '' : `${first.file}:${first.line}:${first.column}: `
  const more = diagnostics.length > 1 ? ` (and ${diagnostics.length - 1} more)` : ''
  return new BundleError(
    'bundle_failed',
    `${place}${first?.text ?? 'The program does not compile.'}${more}`,
    first?.hint,
    diagnostics,
  )
}

/** esbuild takes a file without import and export for CommonJS, where a return may stand anywhere. */
function looksLikeScript({ metafile }: EsbuildResult, entry: string): boolean {
  const input = metafile.inputs[`files:${entry}`] ?? metafile.inputs[entry]
  return input?.format !== 'esm'
}

async function refuseTopLevelReturn(
  source: Source,
  entry: string,
  common: CommonOptions,
): Promise<void> {
  const text = (await source.text(entry)) ?? ''
  if (!/\breturn\b/.test(text) || /\bexports\b|\brequire\b/.test(text)) return
  const loader = /\.([cm]?[jt]sx?)$/.exec(entry)?.[1]?.replace(/^[cm]/, '') as
    | esbuild.Loader
    | undefined
  try {
    await inService(() =>
      esbuild.transform(`${text}\nexport {}`, {
        ...common,
        sourcefile: entry,
        ...(loader ? { loader } : {}),
      }),
    )
  } catch (error) {
    throw asBundleError(error, source.root)
  }
}

const mainOf = ({ metafile }: EsbuildResult) =>
  Object.entries(metafile.outputs).find(([path]) => path.endsWith('index.js'))?.[1]

const codeOf = ({ outputFiles }: EsbuildResult): string =>
  outputFiles.find((file) => file.path.endsWith('.js'))?.text ?? ''

function collect(result: EsbuildResult, build: Build) {
  const { outputFiles, metafile } = result
  const outside = (mainOf(result)?.imports ?? [])
    .filter((item) => item.external)
    .map((item) => item.path)
  const needed = new Set(outside)
  return {
    code: codeOf(result),
    map: portableMap(outputFiles.find((file) => file.path.endsWith('.map'))?.text ?? ''),
    modules: [...build.modules.values()].filter((module) => needed.has(`./${module.name}`)),
    inputs: [
      ...new Set(
        Object.keys(metafile.inputs)
          .filter((path) => !/^(?:runtime|empty):/.test(path))
          .map(portablePath),
      ),
    ].sort(),
    nodeModules: outside
      .filter((path) => path.startsWith('node:'))
      .map((path) => path.slice('node:'.length))
      .sort(),
  }
}

function finish({
  code,
  map,
  modules,
  limits,
  ...rest
}: {
  code: string
  map: string
  modules: Module[]
  inputs: string[]
  packages: UsedPackage[]
  warnings: Diagnostic[]
  nodeModules: string[]
  limits: Limits
}): Bundle {
  const main: Module = { name: 'index.js', type: 'esm', bytes: Buffer.from(code) }
  const all = [main, ...modules.sort((a, b) => (a.name < b.name ? -1 : 1))]
  const sizeBytes = all.reduce((sum, module) => sum + module.bytes.byteLength, 0)
  if (sizeBytes > limits.bundleBytes) {
    throw new BundleError(
      'code_too_large',
      `The bundle is ${sizeBytes} bytes; the limit is ${limits.bundleBytes}.`,
      'Use smaller dependencies, and serve large files as static assets.',
    )
  }
  return {
    main: main.name,
    modules: all,
    sourceMap: map,
    digest: digestOf(all),
    sizeBytes,
    ...rest,
    usesNode: rest.nodeModules.length > 0 || nodeGlobals.test(code),
  }
}

/** Globals that the runtime has only together with Node's modules. A name in a string costs milliseconds, no more. */
const nodeGlobals = /\b(?:process|Buffer|global|setImmediate|clearImmediate|__dirname|__filename)\b/

function digestOf(modules: Module[]): string {
  const hash = createHash('sha256')
  for (const { name, type, bytes } of modules) {
    hash.update(`${type} ${bytes.byteLength} ${name}\n`)
    hash.update(bytes)
  }
  return hash.digest('hex')
}

/** esbuild writes the sources of a map on one line of their own, which is all that is rewritten. */
function portableMap(map: string): string {
  return map.replace(/^ {2}"sources": (\[.*\]),$/m, (_, sources: string) => {
    return `  "sources": ${JSON.stringify((JSON.parse(sources) as string[]).map(portablePath))},`
  })
}

function isForeign(file: string): boolean {
  return /^(?:npm|runtime|empty):/.test(file) || file.includes('node_modules/')
}

async function untilAborted<Value>(
  work: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (!signal) return work
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  work.catch(() => undefined)
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function readManifest(source: Source): Promise<Manifest & Record<string, unknown>> {
  const text = await source.text('package.json')
  if (text === undefined) return {}
  const manifest = jsonc('package.json', text)
  if (typeof manifest === 'object' && manifest !== null && !Array.isArray(manifest))
    return manifest as Record<string, unknown>
  throw new BundleError('invalid_request', 'package.json does not hold an object.')
}

function declaredIn(manifest: Record<string, unknown>): Declared {
  const dependencies = new Map<string, string>()
  // Later kinds win, so that what runs wins over what is only needed to build.
  for (const kind of [
    'peerDependencies',
    'devDependencies',
    'optionalDependencies',
    'dependencies',
  ]) {
    const table = Object.hasOwn(manifest, kind) ? manifest[kind] : undefined
    if (typeof table !== 'object' || table === null) continue
    for (const [name, spec] of Object.entries(table))
      if (typeof spec === 'string') dependencies.set(name, spec)
  }
  return { name: typeof manifest.name === 'string' ? manifest.name : undefined, dependencies }
}

async function readLockfile(source: Source, warnings: Diagnostic[]): Promise<Lockfile | undefined> {
  const npm = (await source.text('package-lock.json')) ?? (await source.text('npm-shrinkwrap.json'))
  if (npm !== undefined) {
    const lockfile = readPackageLock(npm)
    if (!lockfile) warnings.push(unreadLock('package-lock.json'))
    return lockfile
  }
  const pnpm = await source.text('pnpm-lock.yaml')
  if (pnpm !== undefined) {
    const lockfile = readPnpmLock(pnpm)
    if (!lockfile) warnings.push(unreadLock('pnpm-lock.yaml'))
    return lockfile
  }
  for (const file of ['yarn.lock', 'bun.lock'])
    if (source.root === undefined && (await source.has(file))) warnings.push(unreadLock(file))
  return undefined
}

function unreadLock(file: string): Diagnostic {
  return {
    file,
    text: `${file} is of a kind that is not read; versions come from package.json.`,
    hint: 'Versions are read from package-lock.json (version 2 or 3) and pnpm-lock.yaml (version 9).',
  }
}

function contentsOf(map: FileMap, manifest: Manifest): Contents {
  return {
    manifest,
    has: (path) => map.has(path),
    hasFolder: (path) => [...map.keys()].some((file) => file.startsWith(`${path}/`)),
    nested: () => undefined,
  }
}
