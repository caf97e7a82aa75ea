import type { Readable } from 'node:stream'
import type { LogLevel } from '../Engine.ts'

/** One line of workerd's output. A program cannot make one that seems to be the engine's: its text is inside JSON. */
export type OutputLine =
  | { from: 'program'; level: LogLevel; message: string }
  | { from: 'engine'; message: string; fatal: boolean }

/** Calls back with each line of a stream, and never stops draining it, however much comes. */
export function readOutput(stream: Readable, onLine: (line: OutputLine) => void): void {
  let rest = ''
  // The part of an overlong line that is thrown away.
  let skipping = false
  stream.setEncoding('utf8')
  stream.on('error', () => {})
  stream.on('data', (chunk: string) => {
    let from = 0
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', from)) {
      if (!skipping) emit(rest + chunk.slice(from, end))
      rest = ''
      skipping = false
      from = end + 1
    }
    if (skipping) return
    rest += chunk.slice(from)
    if (rest.length <= MAX_LINE) return
    emit(rest.slice(0, MAX_LINE))
    rest = ''
    skipping = true
  })
  const emit = (text: string) => {
    const line = parseLine(text)
    if (line) onLine(line)
  }
}

export const MAX_LINE = 65_536

export function parseLine(text: string): OutputLine | undefined {
  if (text === '') return undefined
  const record = parseRecord(text)
  if (!record) return noise.test(text) ? undefined : { from: 'engine', message: text, fatal: false }
  const message = String(record.message)
  // Only the engine says where in its source a line comes from.
  if (record.source === undefined)
    return { from: 'program', level: levels[record.level] ?? 'log', message }
  if (noise.test(message)) return undefined
  return { from: 'engine', message, fatal: record.level === 'fatal' }
}

interface Record {
  level: string
  message: unknown
  source?: string
}

function parseRecord(text: string): Record | undefined {
  try {
    return JSON.parse(text)
  } catch {
    // A console line that was cut: close it where it is whole.
    const cut = /^\{"timestamp":\d+,"level":"(\w+)","message":"/.exec(text)
    if (!cut) return undefined
    const body = text.slice(cut[0].length).replace(/\\(?:u[0-9a-f]{0,3})?$/i, '')
    try {
      return { level: cut[1] as string, message: `${JSON.parse(`"${body}"`)}…` }
    } catch {
      return undefined
    }
  }
}

const levels: { [level: string]: LogLevel } = {
  debug: 'debug',
  info: 'info',
  log: 'log',
  warn: 'warn',
  error: 'error',
}

/** What workerd says about itself and nobody needs to read. */
const noise =
  /Unable to find and open the program executable|became the default|compatibility flag|^Received a (connect|FetchEvent) event|^stack: |<--- (Last few GCs|JS stacktrace)|^\[\d+:0x|^\*\*\* Received signal|Socket proxy disconnected/

/** The program's own words out of an engine's line about an exception, or undefined when it is about something else. */
export function uncaught(message: string): string | undefined {
  const match =
    /^Uncaught exception: (?:\S+ )?(?:\w+ )?failed: (?:remote\.)?(?:jsg\.)?([\s\S]*)$/.exec(message)
  return match?.[1]?.split('\nstack: ')[0]
}

export const hung = /had hung and would never generate a response/
export const outOfMemory =
  /out of memory|V8 fatal error|allocation failed|bad_alloc|Cannot allocate/i
