import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { localFetch } from '@jackcloud/sdk/node'
import { execa } from 'execa'

// biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, not relied on
export type Json = Record<string, any>

export interface Ready {
  url: string
  domain: string
  token: string
  data: string
  sandbox: string
  /** A development wallet that has money, on a local chain. */
  wallet: { address: string }
  pid: number
}

/** How to start the command line: from source, or as somebody installed it. */
export type Command = readonly [file: string, ...args: string[]]

export const fromSource: Command = [
  process.execPath,
  '--conditions=jack:src',
  fileURLToPath(new URL('../packages/cli/src/bin.ts', import.meta.url)),
]

/** A folder that is deleted at the end of the run, and in it a home in which nothing is configured. */
export function temporaryHome(name: string) {
  const path = realpathSync(mkdtempSync(join(tmpdir(), `jack-${name}-`)))
  // Under root, the database runs as another user, who passes through.
  chmodSync(path, 0o711)
  // Not DATABASE_URL: a cloud on one machine has its own database, and these tests kill it.
  const passed = /^(PATH|https?_proxy|no_proxy|npm_config_registry|NODE_EXTRA_CA_CERTS)$/i
  const env: Record<string, string | undefined> = {
    ...Object.fromEntries(Object.entries(process.env).filter(([key]) => passed.test(key))),
    HOME: join(path, 'home'),
    XDG_CONFIG_HOME: join(path, 'config'),
    XDG_DATA_HOME: join(path, 'data'),
    XDG_CACHE_HOME: join(path, 'cache'),
    // Of our own processes, which all these tests start: the next one need not compile again.
    NODE_COMPILE_CACHE: join(tmpdir(), 'jack-tests-compiled'),
    // So that whatever the cloud starts can be told by this path.
    TMPDIR: join(path, 'tmp'),
  }
  for (const folder of ['home', 'tmp']) mkdirSync(join(path, folder), { mode: 0o711 })
  return {
    path,
    env,
    /** A copy of `tests/apps/<name>`, as a user would have checked it out. */
    app(name: string, as = name): string {
      const to = join(path, 'work', as)
      cpSync(fileURLToPath(new URL(`apps/${name}`, import.meta.url)), to, { recursive: true })
      return to
    },
    remove: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
  }
}

export type Home = ReturnType<typeof temporaryHome>

/** The command line, as a process of its own. */
export function commandLine({ path, env }: Home, command: Command = fromSource) {
  const [file, ...first] = command
  type Options = { cwd?: string; env?: Record<string, string>; input?: string }
  const jack = (args: string[], options: Options = {}) =>
    execa(file, [...first, ...args], {
      cwd: options.cwd ?? path,
      env: { ...env, ...options.env },
      extendEnv: false,
      reject: false,
      input: options.input ?? '',
      timeout: 60_000,
    })
  /** What a command printed with `--json`, and how it ended. */
  const json = async (args: string[], options: Options = {}): Promise<Json> => {
    const { stdout, stderr, exitCode } = await jack([...args, '--json'], options)
    try {
      return { exitCode, ...JSON.parse(stdout) }
    } catch {
      throw new Error(
        `jack ${args.join(' ')} ended with ${exitCode} and said:\n${stdout}\n${stderr}`,
      )
    }
  }
  return { jack, json }
}

export interface Up {
  ready: Ready
  process: ChildProcess
  /** What it wrote to stderr so far. */
  said(): string
  /** How the process ended. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Ends it as Ctrl-C would. */
  stop(): Promise<void>
}

/** `jack up --json --data <data>` on a free port or the given one, until it says that everything answers. */
export async function up(
  { path, env }: Home,
  data: string,
  options: { command?: Command; env?: Record<string, string>; cwd?: string; port?: string } = {},
): Promise<Up> {
  const [file, ...args] = options.command ?? fromSource
  const { port = '0' } = options
  const child = spawn(file, [...args, 'up', '--json', '--port', port, '--data', data], {
    cwd: options.cwd ?? path,
    env: { ...env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (text) => {
    said += text
  })
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
  const lines = createInterface({ input: child.stdout })
  const first = once(lines, 'line').then(([line]) => JSON.parse(line) as Ready)
  const ready = await Promise.race([
    first,
    ended.then(async ({ code }) => {
      throw new Error(
        `jack up ended with ${code}: ${said}\n${JSON.stringify(await Promise.race([first, sleep(200)]))}`,
      )
    }),
  ])
  if (!ready.url) throw new Error(`jack up said ${JSON.stringify(ready)}`)
  return {
    ready,
    process: child,
    said: () => said,
    ended,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Asks a live URL, which is on this machine whatever the resolver says. */
export const live = (url: string, init: RequestInit = {}): Promise<Response> =>
  localFetch(url, init as Parameters<typeof localFetch>[1])

export const text = async (url: string, init?: RequestInit): Promise<string> =>
  (await live(url, init)).text()

/** Asks again until the answer is as wished. Throws what was wrong last. */
export async function eventually<T>(ask: () => T | Promise<T>, mostMs = 15_000): Promise<T> {
  for (const deadline = Date.now() + mostMs; ; await sleep(25)) {
    try {
      return await ask()
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}

/** What the embedded database says about itself. The cluster may lie elsewhere when another user may not enter. */
export const postmasterFile = (data: string): string[] =>
  readFileSync(join(realpathSync(join(data, 'postgres')), 'cluster/postmaster.pid'), 'utf8').split(
    '\n',
  )

/** Asks the embedded database behind the server's back. */
export async function behindTheBack(data: string, query: string): Promise<Json[]> {
  const { Client } = createRequire(new URL('../packages/api/package.json', import.meta.url))('pg')
  const client = new Client({ host: postmasterFile(data)[4], user: 'jack', database: 'jack' })
  await client.connect()
  try {
    return (await client.query(query)).rows
  } finally {
    await client.end()
  }
}
