import { stripVTControlCharacters, styleText } from 'node:util'
import type { Failure, Place } from './failure.ts'

type Format = Parameters<typeof styleText>[0]

/** Data goes to stdout, words for people to stderr. Under `--json` nothing but JSON is said. */
export interface Print {
  readonly json: boolean
  readonly verbose: boolean
  /** A line of data. */
  out(text: string): void
  /** A line for people. */
  note(text?: string): void
  warn(text: string): void
  /** The one answer of a command: as it is under `--json`, else as `people` says it. */
  answer(value: unknown, people: () => void): void
  /** One item of a stream. */
  item(value: unknown, people: () => string): void
  failure(failure: Failure): void
  /** Shows that something is going on while `work` takes its time. */
  while<T>(label: string, work: Promise<T>): Promise<T>
}

interface Streams {
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
}

export function createPrint(
  options: { json: boolean; verbose: boolean },
  { stdout, stderr }: Streams = process,
): Print {
  const { json, verbose } = options
  const note = (text = '') => {
    if (!json) stderr.write(`${redact(calm(text))}\n`)
  }
  const data = (value: unknown) => {
    stdout.write(`${quiet(JSON.stringify(value))}\n`)
  }
  return {
    json,
    verbose,
    note,
    out: (text) => {
      if (!json) stdout.write(`${text}\n`)
    },
    warn: (text) => note(`${paint('yellow', 'warning')} ${text}`),
    answer: (value, people) => (json ? data(value) : people()),
    item: (value, people) => (json ? data(value) : stdout.write(`${people()}\n`)),
    failure: (failure) => {
      if (json) {
        const { stack, ...rest } = failure
        const error =
          failure.code === 'internal' && !verbose
            ? rest
            : { ...rest, ...(stack !== undefined && { stack }) }
        stdout.write(`${redact(JSON.stringify({ error }))}\n`)
      } else if (failure.code === 'interrupted') stderr.write('\n')
      else stderr.write(`${redact(failureText(failure, verbose))}\n`)
    },
    while: (label, work) => (json ? work : showing(stderr, label, work)),
  }
}

/** Colour for people, on stderr unless it says otherwise; none when the stream or NO_COLOR says so. */
export const paint = (
  format: Format,
  text: string,
  stream: NodeJS.WritableStream = process.stderr,
) => styleText(format, text, { stream })

/** Tokens never reach a terminal, a log or an error. */
export const redact = (text: string): string => text.replace(/jkt_[\w-]{4,}/g, 'jkt_***')

/** JSON that steers no terminal either: of control characters it escapes only the first 32 by itself. */
const quiet = (json: string): string =>
  json.replace(
    /[\u007f-\u009f]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

// Also what ends a line or turns the direction of the text without being a control character.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must go
const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Text of programs, without anything that steers a terminal. */
export const plain = (text: string): string => stripVTControlCharacters(text).replace(steering, '')

/** Text in which colours are ours, and anything else may come from anywhere. */
const calm = (text: string): string =>
  text.replace(new RegExp(`(\u001b\\[[\\d;]*m)|${steering.source}`, 'g'), '$1')

/** Words of others within ours: a line of them begins nowhere where one of ours does. */
const quoted = (text: string): string => plain(text).replaceAll('\n', '\n  ')

export function failureText(failure: Failure, verbose = false): string {
  const lines = [
    `${paint(['red', 'bold'], 'error')} ${quoted(failure.message)} ${paint('dim', `(${plain(failure.code)})`)}`,
  ]
  const places = placesOf(failure)
  for (const place of places) lines.push(...placeText(place))
  if (typeof failure.stack === 'string' && (failure.code !== 'internal' || verbose)) {
    lines.push(
      ...plain(failure.stack)
        .split('\n')
        .map((line) => `  ${line.trimEnd()}`),
    )
  }
  if (failure.hint && !places.some((it) => it.hint === failure.hint))
    lines.push(`${paint('cyan', 'hint')} ${quoted(failure.hint)}`)
  for (const { command, when } of failure.next ?? []) {
    lines.push(
      `${paint('cyan', 'next')} ${paint('bold', plain(command))}  ${paint('dim', plain(when))}`,
    )
  }
  if (verbose && failure.request_id) lines.push(paint('dim', `request ${failure.request_id}`))
  return lines.join('\n')
}

const placesOf = ({ errors }: Failure): Place[] =>
  Array.isArray(errors) ? errors.filter((it) => typeof it?.text === 'string') : []

/** `file:line:column`, the line of source with a caret under the column, and the hint. */
export function placeText(place: Place): string[] {
  const at = [place.file, place.line, place.column].filter((it) => it !== undefined).join(':')
  const lines = ['', `  ${at ? `${paint('bold', plain(at))} ` : ''}${plain(place.text)}`]
  if (place.line_text !== undefined) {
    const number = String(place.line ?? '')
    const source = plain(place.line_text)
    lines.push(`  ${paint('dim', `${number} │`)} ${source}`)
    if (place.column !== undefined) {
      // Tabs stay tabs, so that the caret stands where the terminal puts the column.
      const before = source.slice(0, place.column - 1).replace(/[^\t]/g, ' ')
      lines.push(
        `  ${' '.repeat(number.length)} ${paint('dim', '│')} ${before}${paint('red', '^')}`,
      )
    }
  }
  if (place.hint) lines.push(`  ${paint('cyan', 'hint')} ${plain(place.hint)}`)
  return lines
}

/**
 * Columns of text, aligned; numbers on the right when a column's title ends in "#". One whose title ends in "?" is left
 * out where there is no room for all, the last first. `room` is in characters.
 */
export function table(titles: string[], rows: string[][], room = process.stdout.columns): string {
  const width = (text: string) => stripVTControlCharacters(text).length
  const heads = titles.map((title) => title.replace(/[#?]+$/, '').toUpperCase())
  const widths = heads.map((head, i) =>
    Math.max(width(head), ...rows.map((row) => width(row[i] ?? ''))),
  )
  const shown = new Set(heads.keys())
  const taken = () => [...shown].reduce((sum, i) => sum + (widths[i] ?? 0) + 2, -2)
  for (const i of heads.keys().toArray().reverse())
    if (room && taken() > room && titles[i]?.includes('?')) shown.delete(i)
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => {
        const space = ' '.repeat(Math.max(0, (widths[i] ?? 0) - width(cell)))
        return titles[i]?.includes('#') ? space + cell : cell + space
      })
      .filter((_, i) => shown.has(i))
      .join('  ')
      .trimEnd()
  return calm([paint('dim', line(heads), process.stdout), ...rows.map(line)].join('\n'))
}

/** Names and values, one a line; leaves out what is null. */
export function listing(
  entries: [name: string, value: string | number | null | undefined][],
): string {
  const there = entries.filter(([, value]) => value !== null && value !== undefined && value !== '')
  const widest = Math.max(...there.map(([name]) => name.length))
  return calm(
    there
      .map(([name, value]) => `${paint('dim', name.padEnd(widest), process.stdout)}  ${value}`)
      .join('\n'),
  )
}

/** @example usd('0.050000') // '$0.05' */
export const usd = (amount: string | null | undefined): string => {
  if (amount === null || amount === undefined) return ''
  const [whole = '0', fraction = ''] = amount.replace('-', '').split('.')
  return `${amount.startsWith('-') ? '-' : ''}$${whole}.${fraction.replace(/0+$/, '').padEnd(2, '0')}`
}

/** @example bytes(12_345) // '12.3 kB' */
export function bytes(count: number): string {
  if (count < 1_000) return `${count} B`
  if (count < 1_000_000) return `${(count / 1_000).toFixed(count < 100_000 ? 1 : 0)} kB`
  if (count < 1_000_000_000) return `${(count / 1_000_000).toFixed(1)} MB`
  return `${(count / 1_000_000_000).toFixed(1)} GB`
}

/** @example took(1_234) // '1.2 s' */
export const took = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`

/**
 * So many hours, as people say it.
 *
 * @example lasting(290) // '12 days'
 */
export function lasting(hours: number): string {
  if (hours < 1) return 'less than an hour'
  const [amount, unit] =
    hours < 48
      ? [hours, 'hour']
      : hours < 24 * 60
        ? [hours / 24, 'day']
        : hours < 24 * 730
          ? [hours / 24 / 30.4, 'month']
          : [hours / 24 / 365, 'year']
  const whole = Math.floor(amount)
  return `${whole.toLocaleString('en')} ${unit}${whole === 1 ? '' : 's'}`
}

/** How far a time is from now, such as "3m ago" or "in 2h". */
export function distance(at: string | null, now = Date.now()): string {
  if (at === null) return ''
  const seconds = Math.round((Date.parse(at) - now) / 1_000)
  const size = Math.abs(seconds)
  const [amount, unit] =
    size < 90
      ? [size, 's']
      : size < 5_400
        ? [Math.round(size / 60), 'm']
        : size < 172_800
          ? [Math.round(size / 3_600), 'h']
          : [Math.round(size / 86_400), 'd']
  return seconds > 0 ? `in ${amount}${unit}` : `${amount}${unit} ago`
}

/** While something is asked on the terminal, nothing is drawn over it. */
export async function undisturbed<T>(asking: () => Promise<T>): Promise<T> {
  questions++
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  return asking().finally(() => {
    questions--
  })
}

let questions = 0

/** One line on stderr: animated on a terminal, said once elsewhere, and only when it takes a while. */
async function showing<T>(stderr: NodeJS.WriteStream, label: string, work: Promise<T>): Promise<T> {
  const began = performance.now()
  const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
  const tty = stderr.isTTY && process.env.TERM !== 'dumb'
  let frame = 0
  const timer = setInterval(
    () => {
      if (questions > 0) return
      const ms = performance.now() - began
      if (tty) {
        const seconds = ms >= 1_000 ? ` ${Math.floor(ms / 1_000)}s` : ''
        stderr.write(`\r\x1b[K${frames[frame++ % frames.length]} ${label}${paint('dim', seconds)}`)
      } else if (frame++ === 0) stderr.write(`${label} ...\n`)
    },
    tty ? 100 : 1_000,
  )
  try {
    return await work
  } finally {
    clearInterval(timer)
    if (tty && frame > 0) stderr.write('\r\x1b[K')
  }
}
