/**
 * What went wrong, as a word that a program can switch on:
 * - `missing_files`: nothing to run or to serve was found, or a named file is not there
 * - `code_too_large`: the files, the module or the assets are over a limit
 * - `bundle_failed`: the program does not compile or a dependency cannot be had; see `errors`
 * - `invalid_request`: a path, an option or a configuration file that cannot be accepted
 */
export type BundleErrorCode =
  | 'missing_files'
  | 'code_too_large'
  | 'bundle_failed'
  | 'invalid_request'

/** One remark about a program, an error or a warning, with the place it is about. */
export interface Diagnostic {
  text: string
  /** Relative to the folder or file set; `npm:name@version/file` inside a dependency. */
  file?: string
  /** From 1. */
  line?: number
  /** From 1, in characters. */
  column?: number
  /** The whole line, cut to a readable length. */
  lineText?: string
  /** What to do about it. */
  hint?: string
}

/** Every failure of this package that the author of the program can act on. */
export class BundleError extends Error {
  override readonly name = 'BundleError'
  readonly code: BundleErrorCode
  readonly hint: string | undefined
  /** For `bundle_failed` all errors that were found, in the order of the files; else empty. */
  readonly errors: Diagnostic[]

  constructor(code: BundleErrorCode, message: string, hint?: string, errors: Diagnostic[] = []) {
    super(message)
    this.code = code
    this.hint = hint
    this.errors = errors
  }
}
