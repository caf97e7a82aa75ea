import type { Readable } from 'node:stream'
import type { LogLevel } from '../Engine.ts'

/** One line of workerd's output. A program cannot make one that seems to be the engine's: its text is inside JSON. */
export type OutputLine =
  | { from: 'program'; level: LogLevel; message: string }
  | { from: 'engine'; message: string; fatal: boolean }

/** How a stream is read whose writer may print without end. */
export interface Patience {
  /** Beyond this the stream is left alone for a moment: its writer waits in its write, and nobody else does. */
  bytesPerSecond: number
  /** Whether a line is worth reading just now; one that is not is only counted. */
  wanted(): boolean
  onSkipped(lines: number, bytes: number): void
}

/** Calls back with each line of a stream, to its end. Answers for how many milliseconds it was left alone so far. */
export function readOutput(
  stream: Readable,
  onLine: (line: OutputLine) => void,
  patience?: Patience,
): () => number {
  let rest: Buffer = Buffer.alloc(0)
  // The part of an overlong line that is thrown away.
  let skipping = false
  const emit = (bytes: Buffer) => {
    const line = parseLine(bytes.toString())
    if (line) onLine(line)
  }
  const pace = patience && paced(stream, patience.bytesPerSecond)
  stream.on('error', () => {})
  stream.on('data', (chunk: Buffer) => {
    pace?.read(chunk.length)
    let from = 0
    let skipped = 0
    let skippedBytes = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      if (skipping) skipping = false
      else if (rest.length === 0 && patience?.wanted() === false) {
        skipped++
        skippedBytes += end - from
      } else {
        const part = chunk.subarray(from, end)
        emit(rest.length === 0 ? part : Buffer.concat([rest, part]))
      }
      rest = rest.length === 0 ? rest : Buffer.alloc(0)
      from = end + 1
    }
    if (skipped > 0) patience?.onSkipped(skipped, skippedBytes)
    if (skipping) return
    rest = Buffer.concat([rest, chunk.subarray(from)])
    if (rest.length <= MAX_LINE) return
    emit(rest.subarray(0, MAX_LINE))
    rest = Buffer.alloc(0)
    skipping = true
  })
  return () => pace?.pausedMs() ?? 0
}

/** Pauses a stream as soon as more than a second's worth was read ahead of time. */
function paced(stream: Readable, bytesPerSecond: number) {
  let left = bytesPerSecond
  let at = performance.now()
  let pausedMs = 0
  return {
    read(bytes: number): void {
      const now = performance.now()
      left = Math.min(bytesPerSecond, left + ((now - at) / 1000) * bytesPerSecond) - bytes
      at = now
      if (left > 0) return
      stream.pause()
      const resume = () => {
        pausedMs += performance.now() - now
        stream.resume()
      }
      setTimeout(resume, Math.max(PAUSE_MS, (-left / bytesPerSecond) * 1000))
    },
    pausedMs: () => pausedMs,
  }
}

const PAUSE_MS = 20
const LF = 10

/** In bytes. */
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
    const body = text.slice(cut[0].length).replace(/(?:\\(?:u[0-9a-f]{0,3})?|\ufffd)$/i, '')
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
