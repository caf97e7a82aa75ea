import type { BundleError } from '@jackcloud/bundler'
import { JackError } from '@jackcloud/sdk'

/** What is said about a failure, on the terminal and under `--json`. */
export interface Failure {
  code: string
  message: string
  hint?: string
  next?: { command: string; when: string }[]
  [field: string]: unknown
}

/** A place in the sources where bundling failed, in the words of the wire. */
export interface Place {
  text: string
  file?: string
  line?: number
  column?: number
  line_text?: string
  hint?: string
}

/** Anything that was thrown, as something to say. Only what is our own fault keeps its stack. */
export function failureOf(error: unknown): Failure {
  if (error instanceof JackError && error.code === 'spending_limit') return limitReached(error)
  if (error instanceof JackError) return error.toJSON() as Failure
  if (isBundleError(error)) {
    return {
      code: error.code,
      message: error.message,
      ...(error.hint !== undefined && { hint: error.hint }),
      errors: error.errors.map(placeOf),
    }
  }
  if (isAbort(error)) return { code: 'interrupted', message: 'Interrupted.' }
  if (isSystemError(error)) {
    const where = error.path ? ` (${error.path})` : ''
    const code = isMisnamed(error) ? 'usage' : 'other'
    return { code, message: `${sentenceOf(error.code)}${where}.` }
  }
  const message = error instanceof Error ? error.message : String(error)
  return {
    code: 'internal',
    message,
    hint: 'This is a bug of the command line. --verbose shows where it happened.',
    ...(error instanceof Error && { stack: error.stack }),
  }
}

/** The client says it in its own words, which are those of programs. */
function limitReached(error: JackError): Failure {
  const flags = { perCallUsd: '--per-call', perDayUsd: '--per-day', totalUsd: '--total' }
  const flag = flags[error.fields.limit as keyof typeof flags] ?? '--per-call'
  return {
    ...(error.toJSON() as Failure),
    hint: 'Nothing was signed or paid.',
    next: [
      { command: `jack wallet limit ${flag} <usd>`, when: 'to let the wallet spend more' },
      { command: 'jack wallet limit', when: 'to see its limits' },
    ],
  }
}

export function placeOf(it: BundleError['errors'][number]): Place {
  return {
    text: it.text,
    ...(it.file !== undefined && { file: it.file }),
    ...(it.line !== undefined && { line: it.line }),
    ...(it.column !== undefined && { column: it.column }),
    ...(it.lineText !== undefined && { line_text: it.lineText }),
    ...(it.hint !== undefined && { hint: it.hint }),
  }
}

/** By shape, so that the bundler is loaded only by those who bundle. */
const isBundleError = (error: unknown): error is BundleError =>
  error instanceof Error && error.name === 'BundleError' && 'errors' in error

const isAbort = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'AbortError' || error.name === 'ExitPromptError')

const isSystemError = (error: unknown): error is NodeJS.ErrnoException & { code: string } =>
  error instanceof Error && 'syscall' in error && 'code' in error

/** Of a file that was named, not of a command that could not be started. */
const isMisnamed = ({ code, path, syscall }: NodeJS.ErrnoException): boolean =>
  ['ENOENT', 'EISDIR', 'ENOTDIR'].includes(code ?? '') &&
  path !== undefined &&
  !syscall?.startsWith('spawn')

function sentenceOf(code: string): string {
  const sentences: Record<string, string> = {
    ENOENT: 'No such file or folder',
    EACCES: 'No permission for that file or folder',
    EISDIR: 'That is a folder, not a file',
    ENOTDIR: 'That is a file, not a folder',
    ENOSPC: 'The disk is full',
    EROFS: 'The file system is read-only',
  }
  return sentences[code] ?? `The system answered ${code}`
}
