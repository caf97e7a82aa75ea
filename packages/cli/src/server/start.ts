import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { JackError } from '@jackcloud/sdk'
import { plain } from '../print.ts'
import { withoutKeys } from '../wallet/key.ts'
import { forget, remember } from './running.ts'

/** What the API says on descriptor 3 when everything answers. */
export interface Ready {
  url: string
  domain: string
  token: string
  data: string
  sandbox: unknown
  /** A development wallet with money, on a local chain. */
  wallet?: { address: string }
  /** The chain that wallets pay on. */
  chain?: { id: number; rpc_url: string; token: string }
  pid: number
}

export interface Server {
  /** Resolves when everything answers; rejects when the process ends before. */
  ready: Promise<Ready>
  /** How it ended: null when it was asked to and did, else what to say about it. Never rejects. */
  ended: Promise<JackError | null>
  /** Asks it to end; the third time, kills it. */
  stop(signal: 'SIGINT' | 'SIGTERM'): void
}

interface Options {
  /** The file to run. */
  main: string
  data: string
  port: number
  host: string
  verbose: boolean
}

/** Starts the API as a process of its own, with its log in `<data>/logs/jack.log`. */
export function startServer(options: Options): Server {
  const log = openLog(options.data)
  // A session of its own: Ctrl-C reaches it once, through us. It ends when its stdin does, so it never outlives us.
  const child = spawn(process.execPath, argumentsFor(options.main), {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: {
      ...withoutKeys(process.env),
      JACK_PORT: String(options.port),
      JACK_HOST: options.host,
      JACK_DATA: options.data,
      JACK_MODE: 'local',
      JACK_READY_FD: '3',
    },
  })
  keepLog(child, log.file, options.verbose)
  let asked = 0
  const ended = new Promise<JackError | null>((resolve) => {
    child.once('error', (error) => resolve(crashed(`could not be started: ${error.message}`, log)))
    child.once('close', (code, signal) => {
      forget(options.data)
      if (asked > 0 || code === 0) resolve(null)
      else resolve(crashed(signal ? `was ended by ${signal}` : `ended with code ${code}`, log))
    })
  })
  return {
    ready: readyOf(child, options.data, ended),
    ended,
    stop(signal) {
      asked++
      child.kill(asked < 3 ? signal : 'SIGKILL')
    },
  }
}

/** From source, the server needs the condition that this process was started with. */
export const argumentsFor = (main: string): string[] =>
  main.endsWith('.ts') ? ['--conditions=jack:src', main] : [main]

interface Log {
  file: string
  /** Where this start begins in it. */
  begin: number
}

function openLog(data: string): Log {
  // Under root, the database runs as another user, who must pass through: see `openDataDirectory` of the API.
  mkdirSync(data, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 })
  const folder = join(data, 'logs')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = join(folder, 'jack.log')
  const begin = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (begin < 10_000_000) return { file, begin }
  renameSync(file, `${file}.1`)
  return { file, begin: 0 }
}

function keepLog(child: ChildProcess, file: string, verbose: boolean): void {
  const log = createWriteStream(file, { flags: 'a', mode: 0o600 })
  for (const stream of [child.stdout, child.stderr]) {
    stream?.pipe(log, { end: false })
    if (verbose && stream) {
      createInterface({ input: stream }).on('line', (line) =>
        process.stderr.write(`${logText(line)}\n`),
      )
    }
  }
  child.once('close', () => log.end())
}

async function readyOf(
  child: ChildProcess,
  data: string,
  ended: Promise<JackError | null>,
): Promise<Ready> {
  const said = new Promise<Ready>((resolve, reject) => {
    createInterface({ input: child.stdio[3] as Readable }).once('line', (line) => {
      const it = parse(line)
      if (typeof it?.url === 'string' && typeof it.token === 'string')
        resolve(it as unknown as Ready)
      else
        reject(
          errorSaid(it) ??
            new JackError('internal', 'The server said something unexpected.', {
              fields: { line },
            }),
        )
    })
  })
  const ready = await Promise.race([
    said,
    ended.then((error) => {
      throw error ?? new DOMException('Interrupted.', 'AbortError')
    }),
  ])
  remember(data, ready)
  return ready
}

/** The server may say why it does not start, in the words of the wire. */
function errorSaid(line: Record<string, unknown> | null): JackError | undefined {
  const error = line?.error as { code?: unknown; message?: unknown; hint?: unknown } | undefined
  if (typeof error?.message !== 'string') return undefined
  return new JackError(
    typeof error.code === 'string' ? (error.code as 'conflict') : 'internal',
    error.message,
    {
      ...(typeof error.hint === 'string' && { hint: error.hint }),
    },
  )
}

function crashed(how: string, log: Log): JackError {
  const lines = tail(log, 15).map(logText)
  if (lines.some((line) => line.includes('EADDRINUSE'))) {
    return new JackError('conflict', 'The port is in use by another program.', {
      hint: 'Choose another one.',
      next: [{ command: 'jack up --port 0', when: 'to take any free port' }],
    })
  }
  return new JackError('internal', `The server ${how}.`, {
    hint: `Its whole log is ${log.file}`,
    next: [{ command: 'jack doctor', when: 'to see what is missing on this machine' }],
    fields: { log: lines, stack: lines.join('\n') },
  })
}

function tail({ file, begin }: Log, count: number): string[] {
  try {
    return readFileSync(file).subarray(begin).toString('utf8').trimEnd().split('\n').slice(-count)
  } catch {
    return []
  }
}

/** A line of the server's log for people: time, level, sentence, and the error if there is one. */
function logText(line: string): string {
  const it = parse(line)
  if (typeof it?.msg !== 'string' && it?.err === undefined) return plain(line)
  const levels: Record<number, string> = {
    10: 'trace',
    20: 'debug',
    30: 'info',
    40: 'warn',
    50: 'error',
    60: 'fatal',
  }
  const level = typeof it.level === 'number' ? (levels[it.level] ?? it.level) : it.level
  const time = typeof it.time === 'number' ? new Date(it.time).toISOString() : (it.time ?? '')
  const error = it.err as { stack?: string; message?: string } | undefined
  return plain([time, level, it.msg, error?.stack ?? error?.message].filter(Boolean).join(' '))
}

function parse(line: string): Record<string, unknown> | null {
  try {
    const it = JSON.parse(line)
    return typeof it === 'object' ? it : null
  } catch {
    return null
  }
}
