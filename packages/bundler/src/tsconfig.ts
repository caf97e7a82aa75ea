import type { TsconfigRaw } from 'esbuild'
import { BundleError } from './BundleError.ts'
import { joinPath as join } from './packageExports.ts'
import type { Source } from './Source.ts'
import { jsonc } from './Table.ts'

type CompilerOptions = NonNullable<TsconfigRaw['compilerOptions']>

/** What the tsconfig of a file set says about emitting and about finding modules. */
export interface Tsconfig {
  raw: { compilerOptions: CompilerOptions }
  /** Folder that bare paths are tried in, '' is the top; undefined when there is no baseUrl. */
  baseUrl: string | undefined
  /** Patterns and their targets; the targets are relative to the top of the set. */
  paths: [pattern: string, targets: string[]][]
}

const booleans = [
  'experimentalDecorators',
  'useDefineForClassFields',
  'verbatimModuleSyntax',
  'alwaysStrict',
  'strict',
] as const
const strings = ['jsx', 'jsxFactory', 'jsxFragmentFactory', 'jsxImportSource', 'target'] as const

/** Reads the tsconfig of a file set, with what it extends inside the set. */
export async function readTsconfig(source: Source, named: string | undefined): Promise<Tsconfig> {
  const path = named?.replace(/^\.\//, '') ?? 'tsconfig.json'
  const config: Tsconfig = { raw: { compilerOptions: {} }, baseUrl: undefined, paths: [] }
  if (await source.has(path)) await merge(source, path, config, 0)
  else if (named !== undefined)
    throw new BundleError('missing_files', `The tsconfig ${path} is not there.`)
  return config
}

async function merge(source: Source, path: string, config: Tsconfig, depth: number): Promise<void> {
  const text = await source.text(path)
  if (text === undefined || depth > 8) return
  const table = object(jsonc(path, text))
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
  for (const parent of [own(table, 'extends')].flat()) {
    // What a package offers to extend is about checking types, which is not our business.
    if (typeof parent !== 'string' || !parent.startsWith('.')) continue
    const target = join(folder, parent)
    if (target === undefined) continue
    await merge(source, (await source.has(target)) ? target : `${target}.json`, config, depth + 1)
  }
  const options = object(own(table, 'compilerOptions'))
  for (const key of booleans) {
    const value = own(options, key)
    if (typeof value === 'boolean') config.raw.compilerOptions[key] = value
  }
  for (const key of strings) {
    const value = own(options, key)
    if (typeof value === 'string') Object.assign(config.raw.compilerOptions, { [key]: value })
  }
  const baseUrl = own(options, 'baseUrl')
  if (typeof baseUrl === 'string') config.baseUrl = join(folder, baseUrl)
  const paths = own(options, 'paths')
  if (paths === undefined) return
  const base = config.baseUrl ?? folder
  config.paths = Object.entries(object(paths)).map(([pattern, targets]) => [
    pattern,
    (Array.isArray(targets) ? targets : []).flatMap((target) => {
      const joined = typeof target === 'string' ? join(base, target) : undefined
      return joined === undefined ? [] : [joined]
    }),
  ])
}

/** The files that `paths` and `baseUrl` offer for a bare import, best first. */
export function mappedPaths(config: Tsconfig, path: string): string[] {
  const candidates: string[] = []
  const patterns = [...config.paths].sort(([a], [b]) => prefixOf(b).length - prefixOf(a).length)
  for (const [pattern, targets] of patterns) {
    const star = pattern.indexOf('*')
    if (star < 0) {
      if (pattern === path) candidates.push(...targets)
      continue
    }
    const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)]
    if (
      !path.startsWith(before) ||
      !path.endsWith(after) ||
      path.length < before.length + after.length
    )
      continue
    const middle = path.slice(before.length, path.length - after.length)
    candidates.push(...targets.map((target) => target.replace('*', () => middle)))
  }
  if (config.baseUrl !== undefined)
    candidates.push(config.baseUrl === '' ? path : `${config.baseUrl}/${path}`)
  return candidates
}

function prefixOf(pattern: string): string {
  const star = pattern.indexOf('*')
  return star < 0 ? pattern : pattern.slice(0, star)
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {}
}

function own(table: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(table, key) ? table[key] : undefined
}
