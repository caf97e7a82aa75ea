import { type ParseError, parse as parseJsonc, printParseErrorCode } from 'jsonc-parser'
import { parse as parseToml, TomlError } from 'smol-toml'
import { BundleError, type Diagnostic } from './BundleError.ts'
import { nearest } from './nearest.ts'

/** Reads TOML or JSON with comments, as the file's name says. Throws `invalid_request` with the place of a mistake. */
export function parseTable(file: string, text: string): Record<string, unknown> {
  const value = file.endsWith('.toml') ? toml(file, text) : jsonc(file, text)
  if (isTable(value)) return value
  throw new BundleError('invalid_request', `${file} does not hold an object.`)
}

function toml(file: string, text: string): unknown {
  try {
    return parseToml(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const text = error.message.split('\n')[0] ?? 'invalid TOML'
    throw new BundleError('invalid_request', `${file}:${error.line}:${error.column}: ${text}`)
  }
}

/** JSON with comments and trailing commas; a mistake becomes `invalid_request` with its place. */
export function jsonc(file: string, text: string): unknown {
  const errors: ParseError[] = []
  const value: unknown = parseJsonc(text, errors, { allowTrailingComma: true })
  const [first] = errors
  if (!first) return value
  const before = text.slice(0, first.offset).split('\n')
  const place = `${file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`
  const reason = printParseErrorCode(first.error)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
  throw new BundleError(
    'invalid_request',
    `${place}: ${reason}.`,
    'The file must be JSON; comments are fine.',
  )
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value says nothing, however deep: `{"bindings": []}`. */
function isEmpty(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === false ||
    (Array.isArray(value) && value.length === 0) ||
    (isTable(value) && Object.values(value).every(isEmpty))
  )
}

/** A table of a configuration file, read key by key with messages that name file and key. */
export class Table {
  readonly file: string
  readonly #values: Record<string, unknown>
  readonly #warnings: Diagnostic[]
  readonly #at: string

  constructor(file: string, values: Record<string, unknown>, warnings: Diagnostic[], at = '') {
    this.file = file
    this.#values = values
    this.#warnings = warnings
    this.#at = at
  }

  keys(): string[] {
    return Object.keys(this.#values)
  }

  has(key: string): boolean {
    return this.value(key) !== undefined
  }

  value(key: string): unknown {
    return Object.hasOwn(this.#values, key) ? this.#values[key] : undefined
  }

  isEmpty(key: string): boolean {
    return isEmpty(this.value(key))
  }

  string(key: string): string | undefined {
    const value = this.value(key)
    if (value === undefined || typeof value === 'string') return value
    return this.fail(key, 'a string')
  }

  number(key: string): number | undefined {
    const value = this.value(key)
    if (value === undefined) return undefined
    if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value
    return this.fail(key, 'a number above 0')
  }

  boolean(key: string): boolean | undefined {
    const value = this.value(key)
    if (value === undefined || typeof value === 'boolean') return value
    return this.fail(key, 'true or false')
  }

  strings(key: string): string[] | undefined {
    const value = this.value(key)
    if (value === undefined) return undefined
    if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value
    return this.fail(key, 'a list of strings')
  }

  oneOf<Word extends string>(key: string, words: readonly Word[]): Word | undefined {
    const value = this.string(key)
    if (value === undefined) return undefined
    const word = words.find((candidate) => candidate === value)
    return word ?? this.fail(key, `one of ${words.join(', ')}`)
  }

  entries(key: string): [string, unknown][] {
    const value = this.value(key)
    if (value === undefined) return []
    return isTable(value) ? Object.entries(value) : this.fail(key, 'an object')
  }

  record(key: string): Record<string, string> | undefined {
    const entries = this.entries(key)
    const record = entries.map(([name, value]): [string, string] =>
      typeof value === 'string' ? [name, value] : this.fail(`${key}.${name}`, 'a string'),
    )
    return entries.length === 0 ? undefined : Object.fromEntries(record)
  }

  table(key: string): Table | undefined {
    const value = this.value(key)
    if (value === undefined) return undefined
    if (!isTable(value)) return this.fail(key, 'an object')
    return new Table(this.file, value, this.#warnings, `${this.#at}${key}.`)
  }

  tables(key: string): Table[] {
    const value = this.value(key)
    if (value === undefined) return []
    if (!Array.isArray(value)) return this.fail(key, 'a list of objects')
    return value.map((entry, index) => {
      const at = `${key}[${index}]`
      return isTable(entry)
        ? new Table(this.file, entry, this.#warnings, `${this.#at}${at}.`)
        : this.fail(at, 'an object')
    })
  }

  /** The string in a list of one; `invalid_request` when it is missing. */
  required(key: string): [string] {
    return [this.string(key) ?? this.fail(key, 'a string')]
  }

  unknown(key: string, known: Iterable<string>): void {
    const meant = nearest(key, known)
    this.#warnings.push({
      file: this.file,
      text: `"${this.#at}${key}" means nothing here.`,
      ...(meant === undefined ? {} : { hint: `Did you mean "${meant}"?` }),
    })
  }

  fail(key: string, wanted: string): never {
    throw new BundleError('invalid_request', `${this.file}: "${this.#at}${key}" must be ${wanted}.`)
  }
}
