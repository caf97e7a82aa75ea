import type { AssetSettings } from '@jackcloud/sdk/wire'
import {
  compilePattern,
  compileTemplate,
  fillTemplate,
  type Matched,
  matchPattern,
  type Pattern,
  subjectOf,
  type Template,
} from './Pattern.ts'

type File = AssetSettings['files'][number]

/** What a path leads to among static files. */
export type AssetAnswer =
  | { kind: 'file'; file: File; status: 200 | 404 }
  /** `to` is a path of this site, which takes the query of the request along, or a URL. */
  | { kind: 'redirect'; to: string; status: 301 | 302 | 303 | 307 | 308 }
  /** A rule leads to a file that is not there. */
  | { kind: 'lost' }
  | { kind: 'none' }

/** Static files by path, and rules ready to be matched, made once per version. */
export interface AssetIndex {
  settings: AssetSettings
  byPath: ReadonlyMap<string, File>
  /** The pages that stand in for missing files, each for its folder; the innermost first. */
  lostPages: File[]
  headers: { host?: Pattern; path: Pattern; unset: string[]; set: [string, Template][] }[]
  /** Rules for one path each, by that path; `order` is the line. */
  redirects: ReadonlyMap<string, Redirect>
  patterns: (Redirect & { from: Pattern })[]
}

interface Redirect {
  order: number
  to: Template
  status: 200 | 301 | 302 | 303 | 307 | 308
}

export function indexAssets(settings: AssetSettings): AssetIndex {
  const redirects = new Map<string, Redirect>()
  const patterns: AssetIndex['patterns'] = []
  for (const [order, { from, to, status }] of (settings.redirects ?? []).entries()) {
    const pattern = compilePattern(from, '/')
    const redirect = { order, to: compileTemplate(to, pattern), status }
    if (/\*|:[A-Za-z]/.test(from)) patterns.push({ ...redirect, from: pattern })
    else if (!redirects.has(from)) redirects.set(from, redirect)
  }
  return {
    settings,
    byPath: new Map(settings.files.map((file) => [file.path, file])),
    lostPages: settings.files
      .filter((it) => it.path.endsWith('/404.html'))
      .sort((a, b) => b.path.length - a.path.length),
    headers: (settings.headers ?? []).map((rule) => {
      const path = compilePattern(rule.path, '/')
      const host = rule.host === undefined ? undefined : compilePattern(rule.host, '.')
      const named: Pattern = { ...path, left: [...path.left, ...(host?.left ?? [])] }
      return {
        ...(host && { host }),
        path,
        unset: rule.unset,
        set: rule.set.map(([name, value]) => [name, compileTemplate(value, named)]),
      }
    }),
    redirects,
    patterns,
  }
}

/**
 * What answers a URL path (still percent-encoded, without query): a redirect that the site's rules ask for, else a
 * file, else, with `standIn`, what stands in for a missing one. Files are for reading: other methods are only redirected.
 */
export function answerAsset(
  index: AssetIndex,
  encodedPath: string,
  { standIn = false, reading = true } = {},
): AssetAnswer {
  const rule = findRedirect(index, encodedPath)
  if (rule && rule.status !== 200) return { kind: 'redirect', to: rule.to, status: rule.status }
  if (!reading) return none
  const path = rule ? (rule.to.split(/[?#]/, 1)[0] as string) : encodedPath
  // A rule may name a page by its file, which as an address of its own would redirect.
  const named = rule && index.byPath.get(decode(path) ?? '')
  const found: AssetAnswer = named
    ? { kind: 'file', file: named, status: 200 }
    : findAsset(index, path)
  if (found.kind !== 'none') return found
  const missing = standIn || rule ? missingAsset(index, path) : none
  return rule && missing.kind === 'none' ? { kind: 'lost' } : missing
}

/** The first rule of `_redirects` for a path, and where it leads to. */
function findRedirect(
  { redirects, patterns }: AssetIndex,
  path: string,
): { to: string; status: Redirect['status'] } | undefined {
  const exact = redirects.get(path)
  const subject = patterns.length > 0 ? subjectOf(path, '/') : undefined
  for (const { order, from, to, status } of patterns) {
    if (exact && exact.order < order) break
    const matched = matchPattern(from, subject as ReturnType<typeof subjectOf>)
    if (matched) return { to: ownPath(fillTemplate(to, asciiOf(matched))), status }
  }
  return exact && { to: ownPath(exact.to.texts.join('')), status: exact.status }
}

/**
 * Applies the rules of `_headers` to the headers of an answer. What a rule sets replaces what was there; what two rules
 * set is joined.
 *
 * @param headers by lower-case name; changed in place
 */
export function applyHeaderRules(
  { headers: rules }: AssetIndex,
  host: string,
  encodedPath: string,
  headers: Record<string, string | number | string[]>,
): void {
  if (rules.length === 0) return
  const path = subjectOf(encodedPath, '/')
  const name = subjectOf(host.toLowerCase().replace(/:\d+$/, ''), '.')
  const setByRule = new Set<string>()
  for (const rule of rules) {
    const inHost = rule.host && matchPattern(rule.host, name)
    if (rule.host && !inHost) continue
    const inPath = matchPattern(rule.path, path)
    if (!inPath) continue
    const matched = asciiOf(new Map([...(inHost ?? []), ...inPath]))
    for (const name of rule.unset) delete headers[name]
    for (const [name, template] of rule.set) {
      const value = fillTemplate(template, matched)
      const before = setByRule.has(name) ? headers[name] : undefined
      if (before === undefined) headers[name] = name === 'set-cookie' ? [value] : value
      else if (Array.isArray(before)) before.push(value)
      else headers[name] = `${before}, ${value}`
      setByRule.add(name)
    }
  }
}

/** Bytes of a path that no header may carry are percent-encoded. */
const asciiOf = (matched: Matched): Matched =>
  new Map(
    [...matched].map(([name, it]) => [
      name,
      it.replace(
        /[^\x21-\x7e]/g,
        (char) => `%${(char.charCodeAt(0) & 255).toString(16).padStart(2, '0')}`,
      ),
    ]),
  )

/** A redirect within the site stays there: "//evil.example" would not. */
const ownPath = (to: string): string => to.replace(/^\/[/\\]+/, '/')

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
    return redirect(properPath(clean, path.endsWith('/index.html')))
  }
  const exact = file(path)
  if (exact) return exact
  if (byPath.has(index)) {
    const proper = properPath(`${bare}/`, true)
    return proper === path ? (file(index) as AssetAnswer) : redirect(proper)
  }
  if (bare !== '' && byPath.has(page)) {
    const proper = properPath(bare, false)
    return proper === path ? (file(page) as AssetAnswer) : redirect(proper)
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
export function missingAsset(
  { settings, byPath, lostPages }: AssetIndex,
  encodedPath: string,
): AssetAnswer {
  if (settings.not_found === 'single-page-application') {
    const file = byPath.get('/index.html')
    if (file) return { kind: 'file', file, status: 200 }
  }
  if (settings.not_found === '404-page') {
    const path = decode(encodedPath) ?? '/'
    const file = lostPages.find((it) => path.startsWith(it.path.slice(0, -'404.html'.length)))
    if (file) return { kind: 'file', file, status: 404 }
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

const redirect = (path: string): AssetAnswer => ({
  kind: 'redirect',
  to: ownPath(encodeURI(path).replaceAll('?', '%3F').replaceAll('#', '%23')),
  status: 307,
})
