/** The parts of a package.json that say where its modules are. */
export interface Manifest {
  name?: string
  version?: string
  main?: unknown
  module?: unknown
  browser?: unknown
  exports?: unknown
  imports?: unknown
  sideEffects?: unknown
}

/** What is in a package's folder, to be asked without touching the disk. */
export interface Contents {
  manifest: Manifest
  has(path: string): boolean
  hasFolder(path: string): boolean
  /** The package.json of a folder inside the package; undefined when there is none. */
  nested(folder: string): Manifest | undefined
}

export type Way = 'import' | 'require'

/** A file of the package, an empty module, a bare import of something else, or nothing. */
export type Found = { file: string } | { empty: true } | { bare: string } | undefined

/** The conditions of the runtime, besides `import` or `require` and `default`. */
export const conditions = ['workerd', 'worker', 'browser']

const extensions = ['.js', '.mjs', '.cjs', '.json', '.ts', '.tsx', '.jsx', '.mts', '.cts', '.wasm']

/** What `import 'package'` (subpath '') or `import 'package/sub'` means. */
export function resolveSubpath(contents: Contents, subpath: string, way: Way): Found {
  const { exports } = contents.manifest
  if (exports !== undefined && exports !== null) {
    const target = matchExports(exports, subpath === '' ? '.' : `./${subpath}`, way)
    return target === undefined ? undefined : viaBrowser(contents, exactly(contents, target))
  }
  return subpath === ''
    ? folderMain(contents, '', contents.manifest, way)
    : resolveInside(contents, subpath, way)
}

/** What a relative import inside the package means; `path` is already joined, '' is the top. */
export function resolveInside(contents: Contents, path: string, way: Way): Found {
  const replaced = browserReplacement(contents, `./${path}`)
  if (replaced) return replaced
  const file = withExtension(contents, path)
  if (file !== undefined) return viaBrowser(contents, { file })
  const isFolder = path === '' || contents.hasFolder(path)
  return isFolder ? folderMain(contents, path, contents.nested(path), way) : undefined
}

/** What a bare import inside the package is replaced with by its `browser` field. */
export function resolveBareInside(contents: Contents, path: string): Found {
  return browserReplacement(contents, path)
}

/** What `#name` means inside a package. */
export function resolveImports(contents: Contents, path: string, way: Way): Found {
  const { imports } = contents.manifest
  if (!isTable(imports)) return undefined
  const target = matchTable(imports, path, way)
  if (target === undefined) return undefined
  return target.startsWith('./') ? exactly(contents, target) : { bare: target }
}

/** Whether importing a file for its effects alone may be left out. */
export function hasSideEffects(manifest: Manifest, file: string): boolean {
  const { sideEffects } = manifest
  if (sideEffects === false) return false
  if (!Array.isArray(sideEffects)) return true
  return sideEffects.some(
    (pattern) => typeof pattern === 'string' && sideEffectMatches(pattern, file),
  )
}

function folderMain(
  contents: Contents,
  folder: string,
  manifest: Manifest | undefined,
  way: Way,
): Found {
  const fields =
    way === 'import'
      ? (['browser', 'module', 'main'] as const)
      : (['browser', 'main', 'module'] as const)
  for (const field of fields) {
    const value = manifest?.[field]
    if (typeof value !== 'string') continue
    const path = joinPath(folder, value)
    if (path === undefined) continue
    const file =
      withExtension(contents, path) ??
      withExtension(contents, path === '' ? 'index' : `${path}/index`)
    if (file !== undefined) return viaBrowser(contents, { file })
  }
  const index = withExtension(contents, folder === '' ? 'index' : `${folder}/index`)
  return index === undefined ? undefined : viaBrowser(contents, { file: index })
}

function exactly(contents: Contents, target: string): Found {
  const path = joinPath('', target)
  return path !== undefined && contents.has(path) ? { file: path } : undefined
}

function withExtension(contents: Contents, path: string): string | undefined {
  if (path !== '' && contents.has(path)) return path
  return extensions
    .map((extension) => path + extension)
    .find((candidate) => contents.has(candidate))
}

function viaBrowser(contents: Contents, found: Found): Found {
  if (!found || !('file' in found)) return found
  return browserReplacement(contents, `./${found.file}`) ?? found
}

/** The object form of `browser`: other files, other packages, or `false` for an empty module. */
function browserReplacement(contents: Contents, key: string): Found {
  const { browser } = contents.manifest
  if (!isTable(browser)) return undefined
  const keys = key.startsWith('./')
    ? [
        key,
        key.slice(2),
        ...extensions.flatMap((extension) => [key + extension, key.slice(2) + extension]),
        `${key}/index.js`,
      ]
    : [key]
  for (const candidate of keys) {
    if (!Object.hasOwn(browser, candidate)) continue
    const value = browser[candidate]
    if (value === false) return { empty: true }
    if (typeof value !== 'string') continue
    const isOwnFile =
      value.startsWith('./') ||
      (key.startsWith('./') && withExtension(contents, value) !== undefined)
    if (!isOwnFile) return { bare: value }
    const path = joinPath('', value)
    const file = path === undefined ? undefined : withExtension(contents, path)
    if (file !== undefined) return { file }
  }
  return undefined
}

function matchExports(exports: unknown, key: string, way: Way): string | undefined {
  const isSubpaths = isTable(exports) && Object.keys(exports).some((name) => name.startsWith('.'))
  if (isSubpaths) return matchTable(exports, key, way)
  return key === '.' ? pickTarget(exports, way, undefined) : undefined
}

/** Exact keys first, then the pattern with the longest part before its star. */
function matchTable(table: Record<string, unknown>, key: string, way: Way): string | undefined {
  if (Object.hasOwn(table, key) && !key.includes('*')) return pickTarget(table[key], way, undefined)
  const patterns = Object.keys(table)
    .filter((pattern) => pattern.includes('*') || pattern.endsWith('/'))
    .sort(
      (a, b) =>
        b.replace(/\*.*$/, '').length - a.replace(/\*.*$/, '').length || b.length - a.length,
    )
  for (const pattern of patterns) {
    const [before = '', after = ''] = pattern.includes('*') ? pattern.split('*') : [pattern, '']
    if (
      !key.startsWith(before) ||
      !key.endsWith(after) ||
      key.length <= before.length + after.length - 1
    )
      continue
    const middle = key.slice(before.length, key.length - after.length)
    if (middle.split('/').some((segment) => segment === '..' || segment === 'node_modules'))
      return undefined
    const target = pickTarget(table[pattern], way, middle)
    return target?.endsWith('/') ? target + middle : target
  }
  return undefined
}

function pickTarget(target: unknown, way: Way, middle: string | undefined): string | undefined {
  if (typeof target === 'string')
    return middle === undefined ? target : target.replaceAll('*', () => middle)
  if (Array.isArray(target)) {
    for (const option of target) {
      const picked = pickTarget(option, way, middle)
      if (picked !== undefined) return picked
    }
    return undefined
  }
  if (!isTable(target)) return undefined
  for (const [condition, option] of Object.entries(target)) {
    if (condition !== 'default' && condition !== way && !conditions.includes(condition)) continue
    const picked = pickTarget(option, way, middle)
    if (picked !== undefined) return picked
  }
  return undefined
}

function sideEffectMatches(pattern: string, file: string): boolean {
  const plain = pattern.replace(/^\.\//, '')
  if (!plain.includes('*')) return plain === file
  // Only `*` and `**` are in use; a pattern that is more elaborate counts as a match.
  if (/[{}[\]()!+@]/.test(plain) || plain.length > 200) return true
  const [first = '', ...rest] = plain.split(/\*+/)
  let at = first.length
  if (plain.includes('/') && !file.startsWith(first)) return false
  for (const part of rest) {
    const found = file.indexOf(part, plain.includes('/') ? at : 0)
    if (found < 0) return false
    at = found + part.length
  }
  return true
}

/** Joins a path to a folder; undefined when it leads out of the package. */
export function joinPath(folder: string, path: string): string | undefined {
  const segments = folder === '' ? [] : folder.split('/')
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment !== '..') segments.push(segment)
    else if (segments.pop() === undefined) return undefined
  }
  return segments.join('/')
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
