import { isUtf8 } from 'node:buffer'
import { BundleError } from './BundleError.ts'
import type { Limits } from './Limits.ts'

/** A program as a set of files: relative paths with `/` between segments, and their content. */
export type Files = Record<string, string | Uint8Array>

/** Checked files: canonical paths, never looked up by property name. */
export type FileMap = ReadonlyMap<string, string | Uint8Array>

const sourceFile = /\.(?:[cm]?[jt]s|[jt]sx|json|jsonc|toml)$/i
const lockfile =
  /(?:^|\/)(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock|bun\.lock)$/

/** Whether a path names code of the author, which the source limit counts. */
export function isSource(path: string): boolean {
  return sourceFile.test(path) && !lockfile.test(path)
}

/**
 * Takes a file set from anybody. Refuses paths that could mean another place than they say, and
 * sets that are too large, before anything is parsed.
 *
 * Throws `invalid_request`, `missing_files` (no file) or `code_too_large`.
 */
export function checkFiles(files: Files, limits: Limits): FileMap {
  const names = Object.keys(files)
  if (names.length === 0) {
    throw new BundleError(
      'missing_files',
      'There are no files.',
      'Send at least one, for example index.ts.',
    )
  }
  if (names.length > limits.files) {
    throw new BundleError(
      'code_too_large',
      `${names.length} files are more than the limit of ${limits.files}.`,
      'Leave out node_modules and build products, or bundle first.',
    )
  }
  const checked = new Map<string, string | Uint8Array>()
  const folded = new Map<string, string>()
  for (const name of names) {
    const path = checkPath(name)
    const content = files[name]
    if (typeof content !== 'string' && !(content instanceof Uint8Array)) {
      throw new BundleError('invalid_request', `The content of ${path} is neither text nor bytes.`)
    }
    const fold = path.normalize('NFC').toLowerCase()
    const twin = folded.get(fold)
    if (twin !== undefined) {
      throw new BundleError(
        'invalid_request',
        `${show(twin)} and ${show(path)} are the same file on some machines.`,
        'Give them names that differ by more than case or Unicode form.',
      )
    }
    folded.set(fold, path)
    checked.set(path, content)
  }
  refuseFilesInsideFiles(checked)
  return checked
}

/** Returns the path when it is a plain relative one; throws `invalid_request` when it is not. */
export function checkPath(path: string): string {
  const reason = pathProblem(path)
  if (reason === undefined) return path
  throw new BundleError(
    'invalid_request',
    `The path ${show(path)} ${reason}.`,
    'Paths are relative, with "/" between segments: src/index.ts.',
  )
}

/** Why a path is not a plain relative one, to follow the words "The path ..."; else undefined. */
export function pathProblem(path: string): string | undefined {
  if (path === '') return 'is empty'
  if (path.length > 1_000) return 'is longer than 1,000 characters'
  if (!path.isWellFormed()) return 'is not valid Unicode'
  if (hasControlCharacter(path)) return 'contains a control character'
  if (path.includes('\\')) return 'contains a backslash'
  if (path.startsWith('/')) return 'is absolute'
  if (/^[a-z]:/i.test(path)) return 'starts with a drive letter'
  for (const segment of path.split('/')) {
    if (segment === '') return 'has an empty segment'
    if (segment === '.' || segment === '..') return `has a "${segment}" segment`
    if (segment === '__proto__') return 'has a "__proto__" segment'
    if (segment.length > 255) return 'has a segment longer than 255 characters'
  }
  return undefined
}

/** The author's code is over the limit or not; counts only what `isSource` names. */
export function checkSourceSize(
  files: Iterable<[string, string | Uint8Array]>,
  limits: Limits,
): void {
  let total = 0
  let largest = { path: '', size: 0 }
  for (const [path, content] of files) {
    if (!isSource(path)) continue
    const size = byteLength(content)
    total += size
    if (size > largest.size) largest = { path, size }
  }
  if (total > limits.sourceBytes) throw sourceTooLarge(total, limits.sourceBytes, largest.path)
}

export function sourceTooLarge(total: number, most: number, largest?: string): BundleError {
  const which = largest ? ` The largest file is ${largest}.` : ''
  return new BundleError(
    'code_too_large',
    `The source is ${total} bytes; the limit is ${most}.${which}`,
    'Move data out of the code, and serve large files as static assets.',
  )
}

export function byteLength(content: string | Uint8Array): number {
  return typeof content === 'string' ? Buffer.byteLength(content) : content.byteLength
}

/** Text of a file, or undefined when it is not UTF-8. */
export function decode(content: string | Uint8Array): string | undefined {
  if (typeof content === 'string') return content.isWellFormed() ? content : undefined
  if (!isUtf8(content)) return undefined
  return new TextDecoder('utf-8').decode(content)
}

function refuseFilesInsideFiles(files: FileMap): void {
  for (const path of files.keys()) {
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      const parent = path.slice(0, slash)
      if (!files.has(parent)) continue
      throw new BundleError('invalid_request', `${show(parent)} is both a file and a folder.`)
    }
  }
}

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 32 || code === 127) return true
  }
  return false
}

function show(path: string): string {
  return JSON.stringify(path.length > 120 ? `${path.slice(0, 120)}...` : path)
}
