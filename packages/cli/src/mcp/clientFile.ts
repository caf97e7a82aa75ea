import { isDeepStrictEqual } from 'node:util'
import { JackError } from '@jackcloud/sdk'
import { applyEdits, modify, type ParseError, parse as parseJsonc } from 'jsonc-parser'
import { parse as parseToml, stringify } from 'smol-toml'
import { isOurs, type McpClient, type ServerEntry } from './clients.ts'

type Table = Record<string, unknown>

/**
 * The text of a client's file with our server in it, or without it for `null`. Everything else stays as it is, comments
 * and order included. Throws a JackError `usage`, and changes nothing, for a file that is not understood, and for a server
 * of our name that is not ours.
 */
export function changed(
  text: string,
  { format, key }: Pick<McpClient, 'format' | 'key'>,
  entry: ServerEntry | null,
): string {
  const before = read(text, format)
  const servers = before[key] ?? {}
  if (!isTable(servers)) throw notUnderstood(`"${key}" in it is no table of servers`)
  const known = servers.jack
  if (known !== undefined && !isOurs(known)) {
    throw new JackError('usage', 'There is a server "jack" in it that is not ours.', {
      hint: 'It was left as it is. Give it another name, and try again.',
    })
  }
  if (entry === null && known === undefined) return text
  const { jack: _, ...others } = servers
  // What somebody added to ours, such as an environment, stays.
  const wanted = entry && { ...(known as Table | undefined), ...entry }
  const after = { ...before, [key]: { ...others, ...(wanted && { jack: wanted }) } }
  if (isDeepStrictEqual(after, before)) return text
  const result = format === 'json' ? json(text, key, wanted) : toml(text, key, wanted)
  // Whatever the file looks like: it says what it said, and what we want, and nothing else.
  const emptied = entry === null && read(result, format)[key] === undefined
  const expected = emptied ? without(after, key) : after
  if (isDeepStrictEqual(read(result, format), expected)) return result
  throw notUnderstood('it could not be changed without changing more')
}

function read(text: string, format: McpClient['format']): Table {
  if (text.trim() === '') return {}
  if (format === 'toml') {
    try {
      return plainTables(parseToml(text))
    } catch (error) {
      throw notUnderstood((error as Error).message.split('\n')[0] ?? 'it is not valid TOML')
    }
  }
  const errors: ParseError[] = []
  const value: unknown = parseJsonc(withoutMark(text), errors, { allowTrailingComma: true })
  if (errors.length > 0 || !isTable(value)) throw notUnderstood('it is not a valid JSON object')
  return value
}

function json(text: string, key: string, entry: Table | null): string {
  const mark = text.length - withoutMark(text).length
  const body = text.slice(mark)
  const indent = /^([ \t]+)\S/m.exec(body)?.[1] ?? '  '
  const edits = modify(body.trim() === '' ? '{}\n' : body, [key, 'jack'], entry ?? undefined, {
    formattingOptions: {
      insertSpaces: !indent.startsWith('\t'),
      tabSize: indent.length,
      eol: body.includes('\r\n') ? '\r\n' : '\n',
    },
  })
  return text.slice(0, mark) + applyEdits(body.trim() === '' ? '{}\n' : body, edits)
}

/** Tables of TOML end where the next one begins, so that ours can be put at the end, and taken out whole. */
function toml(text: string, key: string, entry: Table | null): string {
  const eol = text.includes('\r\n') ? '\r\n' : '\n'
  const rest = withoutTables(text, `${key}.jack`)
  if (entry === null) return rest
  const table = stringify({ [key]: { jack: entry } })
    .trim()
    .replaceAll('\n', eol)
  const body = rest.trimEnd()
  return `${body}${body === '' ? '' : eol + eol}${table}${eol}`
}

/** Without the tables of a name and those below it. Comments before the next table are that one's. */
function withoutTables(text: string, name: string): string {
  const kept: string[] = []
  let held: string[] = []
  let inOurs = false
  for (const line of text.split(/(?<=\n)/)) {
    const header = /^\s*\[+\s*([^\]]+?)\s*\]+/.exec(line)?.[1]
    if (header !== undefined) {
      inOurs = header === name || header.startsWith(`${name}.`)
      if (!inOurs) kept.push(...held)
      held = []
    }
    if (!inOurs) kept.push(line)
    else if (/^\s*(#.*)?\s*$/.test(line)) held.push(line)
    else held = []
  }
  return kept.join('')
}

/** The parser's tables and times, as values that can be compared. */
const plainTables = (it: object): Table => structuredClone(it) as Table

const withoutMark = (text: string): string => text.replace(/^\ufeff/, '')

const isTable = (it: unknown): it is Table =>
  typeof it === 'object' && it !== null && !Array.isArray(it)

const without = (it: Table, key: string): Table =>
  Object.fromEntries(Object.entries(it).filter(([name]) => name !== key))

const notUnderstood = (why: string): JackError =>
  new JackError('usage', `The file is not understood: ${why}.`, {
    hint: 'It was left as it is. Mend it, or add the server by hand.',
    next: [{ command: 'jack mcp install', when: 'to see what belongs into it' }],
  })
