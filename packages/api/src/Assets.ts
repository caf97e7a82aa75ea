import type { AssetSettings } from '@jackcloud/sdk/wire'

type File = AssetSettings['files'][number]

/** What a path leads to among static files. */
export type AssetAnswer =
  | { kind: 'file'; file: File; status: 200 | 404 }
  | { kind: 'redirect'; to: string }
  | { kind: 'none' }

/** Static files by path, made once per version. */
export interface AssetIndex {
  settings: AssetSettings
  byPath: ReadonlyMap<string, File>
}

export const indexAssets = (settings: AssetSettings): AssetIndex => ({
  settings,
  byPath: new Map(settings.files.map((file) => [file.path, file])),
})

/**
 * The file, or redirect to the file's proper address, for a URL path (still percent-encoded, without query).
 * Follows the `html_handling` that Workers' static assets have; `notFound` is left to `missingAsset`.
 */
export function findAsset({ settings, byPath }: AssetIndex, encodedPath: string): AssetAnswer {
  const path = decode(encodedPath)
  if (path === undefined) return none
  const file = (at: string): AssetAnswer | undefined => {
    const found = byPath.get(at)
    return found && { kind: 'file', file: found, status: 200 }
  }
  if (settings.html === 'none') return file(path) ?? none

  const slash = path.endsWith('/')
  const bare = slash ? path.slice(0, -1) : path
  const index = `${bare}/index.html`
  const page = `${bare}.html`

  if (path.endsWith('/index.html') || path.endsWith('.html')) {
    if (!byPath.has(path)) return none
    const clean = path.endsWith('/index.html') ? path.slice(0, -10) : path.slice(0, -5)
    return { kind: 'redirect', to: encode(properPath(clean, path.endsWith('/index.html'))) }
  }
  const exact = file(path)
  if (exact) return exact
  if (byPath.has(index)) {
    const proper = properPath(`${bare}/`, true)
    return proper === path ? (file(index) as AssetAnswer) : { kind: 'redirect', to: encode(proper) }
  }
  if (bare !== '' && byPath.has(page)) {
    const proper = properPath(bare, false)
    return proper === path ? (file(page) as AssetAnswer) : { kind: 'redirect', to: encode(proper) }
  }
  return none

  function properPath(clean: string, folder: boolean): string {
    const stem = clean.replace(/\/$/, '')
    if (stem === '') return '/'
    if (settings.html === 'force-trailing-slash') return `${stem}/`
    if (settings.html === 'drop-trailing-slash') return stem
    return folder ? `${stem}/` : stem
  }
}

/** What stands in for a file that is not there: the app's page, its 404 page, or nothing. */
export function missingAsset({ settings, byPath }: AssetIndex, encodedPath: string): AssetAnswer {
  if (settings.not_found === 'single-page-application') {
    const file = byPath.get('/index.html')
    if (file) return { kind: 'file', file, status: 200 }
  }
  if (settings.not_found === '404-page') {
    let folder = decode(encodedPath) ?? '/'
    do {
      folder = folder.slice(0, folder.lastIndexOf('/'))
      const file = byPath.get(`${folder}/404.html`)
      if (file) return { kind: 'file', file, status: 404 }
    } while (folder !== '')
  }
  return none
}

/** Whether the worker answers a path before the files do. Patterns are paths with `*`; `!` takes away. */
export function workerFirst({ settings }: AssetIndex, path: string): boolean {
  const rule = settings.worker_first
  if (typeof rule === 'boolean') return rule
  const matches = (pattern: string) => matchesPattern(pattern, path)
  const [without, within] = [
    rule.filter((it) => it.startsWith('!')),
    rule.filter((it) => !it.startsWith('!')),
  ]
  return within.some(matches) && !without.some((it) => matches(it.slice(1)))
}

/**
 * Whether `*` stands for whatever is missing. Each part is looked for once, from left to right: a regular expression
 * tries every way to split the path, which a pattern such as "*a*a*a*b" turns into hours.
 */
function matchesPattern(pattern: string, path: string): boolean {
  const [first = '', ...parts] = pattern.split('*')
  const last = parts.pop()
  if (last === undefined) return path === pattern
  if (!path.startsWith(first)) return false
  let at = first.length
  for (const part of parts) {
    const found = path.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return path.length - last.length >= at && path.endsWith(last)
}

const none: AssetAnswer = { kind: 'none' }

function decode(path: string): string | undefined {
  try {
    const decoded = decodeURIComponent(path)
    return decoded.includes('\0') ? undefined : decoded
  } catch {
    return undefined
  }
}

/** A redirect stays on this host: "//evil.example" would not. */
const encode = (path: string): string =>
  encodeURI(path)
    .replaceAll('?', '%3F')
    .replaceAll('#', '%23')
    .replace(/^\/[/\\]+/, '/')
