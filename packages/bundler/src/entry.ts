import { BundleError } from './BundleError.ts'
import type { Config } from './config.ts'
import { nearest } from './nearest.ts'
import { joinPath } from './packageExports.ts'
import type { Source } from './Source.ts'
import { jsonc } from './Table.ts'

const extensions = ['ts', 'tsx', 'js', 'jsx', 'mjs', 'mts']
const code = /\.[cm]?[jt]sx?$/
const conventions = ['src/index', 'index', 'worker', 'src/worker', 'src/main', 'main']

/** Folders where a build leaves a site, and where one keeps a hand-made one. */
export const siteFolders = ['dist', 'build', 'out', 'public']

/**
 * The path of the module that the program starts with; undefined when there is none, which is fine
 * for a site of static files. A file that is named (by option or configuration) must exist.
 */
export async function findEntry(
  source: Source,
  config: Config,
  named: string | undefined,
): Promise<string | undefined> {
  const wanted = named ?? config.main
  if (wanted !== undefined)
    return namedEntry(source, wanted, named === undefined ? config.file : undefined)
  if (config.pages !== undefined) return pagesWorker(source, joinPath('', config.pages))
  const pages = await pageScripts(source)
  const candidates = [
    ...(await packageEntries(source)),
    ...conventions.flatMap((name) => extensions.map((extension) => `${name}.${extension}`)),
  ]
  for (const candidate of candidates) {
    if (!(await source.has(candidate))) continue
    if (await isProgram(source, candidate, pages)) return candidate
  }
  for (const folder of siteFolders) {
    const worker = await pagesWorker(source, folder)
    if (worker !== undefined) return worker
  }
  return onlySourceFile(source, pages)
}

/** The worker that lies among the files of a site, where Cloudflare Pages expects it. */
async function pagesWorker(
  source: Source,
  folder: string | undefined,
): Promise<string | undefined> {
  for (const worker of [`${folder}/_worker.js`, `${folder}/_worker.js/index.js`])
    if (await source.has(worker)) return worker
  return undefined
}

async function namedEntry(
  source: Source,
  wanted: string,
  file: string | undefined,
): Promise<string> {
  const path = wanted.replace(/^(?:\.\/)+/, '')
  if (
    path === '' ||
    path.startsWith('/') ||
    /^[a-z]:/i.test(path) ||
    path.includes('\\') ||
    path.split('/').includes('..')
  ) {
    throw new BundleError(
      'invalid_request',
      `The entry ${JSON.stringify(wanted)} is not a path inside the program.`,
    )
  }
  for (const candidate of [path, ...extensions.map((extension) => `${path}.${extension}`)]) {
    if (await source.has(candidate)) return candidate
  }
  const files = await source.walk('', { ignoring: true, limit: 20_000 }).catch(() => [])
  const meant = nearest(
    path,
    files.map((found) => found.path).filter((found) => code.test(found)),
  )
  throw new BundleError(
    'missing_files',
    `The entry ${path}${file === undefined ? '' : ` that ${file} names`} is not there.`,
    meant === undefined ? 'Name a file that exists.' : `Did you mean ${meant}?`,
  )
}

/** `main` and `module` of package.json often name build products; only existing source counts. */
async function packageEntries(source: Source): Promise<string[]> {
  const text = await source.text('package.json')
  if (text === undefined) return []
  const manifest = jsonc('package.json', text)
  if (typeof manifest !== 'object' || manifest === null) return []
  return ['module', 'main'].flatMap((key) => {
    const value = Object.hasOwn(manifest, key)
      ? (manifest as Record<string, unknown>)[key]
      : undefined
    if (
      typeof value !== 'string' ||
      !code.test(value) ||
      value.includes('..') ||
      value.startsWith('/')
    )
      return []
    const path = value.replace(/^\.\//, '')
    return siteFolders.includes(path.split('/')[0] ?? '') ? [] : [path]
  })
}

/**
 * Next to pages, a script is a program only when no page loads it and when it exports something:
 * the src/main.tsx of a Vite project runs in the browser.
 */
async function isProgram(
  source: Source,
  path: string,
  pages: Set<string> | undefined,
): Promise<boolean> {
  if (!pages) return true
  if (pages.has(path)) return false
  const text = await source.text(path)
  return /\bexport\b|\bmodule\.exports\b|\baddEventListener\b/.test(text ?? '')
}

/** The scripts that pages load; undefined when there are no pages. */
async function pageScripts(source: Source): Promise<Set<string> | undefined> {
  let pages: Set<string> | undefined
  for (const page of ['index.html', ...siteFolders.map((folder) => `${folder}/index.html`)]) {
    const html = await source.text(page)
    if (html === undefined) continue
    pages ??= new Set()
    for (const [, script] of html.matchAll(
      /<script\b[^>]{0,2000}?\bsrc\s*=\s*["']?\s*\.?\/?([^"'\s>?#]+)/gi,
    )) {
      if (script !== undefined) pages.add(script)
    }
  }
  return pages
}

async function onlySourceFile(
  source: Source,
  pages: Set<string> | undefined,
): Promise<string | undefined> {
  if (pages) return undefined
  const files = await source.walk('', { ignoring: true, limit: 5_000 })
  const found = files
    .map((file) => file.path)
    .filter(
      (path) =>
        code.test(path) && !/\.d\.[cm]?ts$|\.(?:test|spec|config)\.[cm]?[jt]sx?$/.test(path),
    )
  return found.length === 1 ? found[0] : undefined
}
