import { type ChildProcess, spawn } from 'node:child_process'
import {
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { startTicks } from './clock.ts'
import { type OutputLine, type Patience, readOutput } from './output.ts'
import { bootId } from './runDirectory.ts'
import { type Purpose, type Sandbox, UIDS } from './sandbox.ts'
import { ownerOf, prepareState } from './stateDirs.ts'

/** One sandboxed workerd. */
export interface WorkerProcess {
  /** The pid of workerd itself, not of what walls it in. */
  pid: number
  /** Tells this process from a later one with the same pid. */
  startTicks: string | undefined
  /** Path of one of its sockets. */
  socket(name: string): string
  /** Kills it at once. */
  kill(signal?: 'SIGKILL' | 'SIGTERM'): void
  /** Lets it stand still; the answer lets it go on. */
  freeze(): Promise<() => void>
  /** Over, and all of its output was read. */
  exited: Promise<void>
  dead: boolean
  /** What the engine itself printed: errors, never the program's own lines. */
  errors(): string
  /** How many milliseconds it had to wait for its output to be read. */
  waitedMs(): number
  /** Called with each line; replace to listen. */
  onLine: (line: OutputLine) => void
}

export interface StartOptions {
  purpose: Purpose
  config: string
  memoryMb: number
  listens: string[]
  connects?: string[]
  /** A directory that outlives it. Its owner becomes the process's user. */
  stateDir?: string
  env?: Record<string, string>
  startTimeoutMs?: number
  onLine?: (line: OutputLine) => void
  /** How its own lines are read when they are many. Default: all of them, as they come. */
  patience?: Patience
  /** Called now and then while it starts, with the pid of what may soon be gone. */
  onStarting?: (pid: number) => void
  /** Runs when the directory exists and before the process does: opens the sockets it connects to. */
  prepare?: (dir: string, uid: number | undefined) => Promise<void>
}

/** The program did not come up; `message` is what workerd printed. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

export class Processes {
  readonly #sandbox: Sandbox
  readonly #runDir: string
  readonly #uids = new Set<number>()
  readonly #alive = new Set<WorkerProcess>()
  #closed = false
  #next = 0

  constructor(sandbox: Sandbox, runDir: string) {
    this.#sandbox = sandbox
    this.#runDir = runDir
  }

  async start(options: StartOptions): Promise<WorkerProcess> {
    const uid = this.#takeUid(options.stateDir)
    const dir = join(this.#runDir, `p${process.pid.toString(36)}${(this.#next++).toString(36)}`)
    mkdirSync(dir, { mode: 0o700 })
    if (uid !== undefined) chownSync(dir, uid, uid)
    const gone = () => {
      if (uid !== undefined) this.#uids.delete(uid)
      rmSync(dir, { recursive: true, force: true })
    }
    try {
      if (options.stateDir) await prepareState(options.stateDir, uid)
      await options.prepare?.(dir, uid)
      // Who closes waits for what has been started, so nothing may be started behind its back.
      if (this.#closed) throw new StartError('It was to start while everything ends')
    } catch (error) {
      gone()
      throw error
    }
    return this.#spawn(options, dir, uid, gone)
  }

  /** Ends what is left, also what is only just starting. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(
      [...this.#alive].map((worker) => {
        worker.kill()
        return worker.exited
      }),
    )
  }

  async #spawn(
    options: StartOptions,
    dir: string,
    uid: number | undefined,
    gone: () => void,
  ): Promise<WorkerProcess> {
    const command = this.#sandbox.command({
      ...options,
      connects: options.connects ?? [],
      dir,
      uid,
    })
    const [file, ...args] = command.argv as [string, ...string[]]
    const filter = command.seccomp ? openSync(command.seccomp, 'r') : undefined
    const child = spawn(file, args, {
      // The values of the app's bindings, under names of ours; nothing of our own environment but the search path.
      env: { PATH: process.env.PATH, ...options.env },
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', filter ?? 'ignore'],
    })
    if (filter !== undefined) closeSync(filter)
    const spawned = new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    const info = collect(child.stdio[4] as Readable, command.pid === 'info')
    const worker: WorkerProcess = {
      pid: -1,
      startTicks: undefined,
      dead: false,
      socket: (name) => join(dir, `${name}.sock`),
      kill: (signal = 'SIGKILL') => kill(worker, child, info, signal),
      freeze: () => freeze(worker),
      errors: () => errors,
      waitedMs: () => waitedMs(),
      onLine: options.onLine ?? (() => {}),
      exited: new Promise((resolve) => {
        child.once('exit', () => {
          worker.dead = true
        })
        // After the exit and the end of all its pipes.
        child.once('close', () => {
          this.#alive.delete(worker)
          gone()
          resolve()
        })
        child.once('error', () => {
          worker.dead = true
          this.#alive.delete(worker)
          gone()
          resolve()
        })
      }),
    }
    this.#alive.add(worker)
    let errors = ''
    const keepError = (text: string) => {
      if (errors.length < MAX_ERRORS) errors += `${text.slice(0, MAX_ERRORS)}\n`
    }
    const onLine = (line: OutputLine) => {
      if (line.from === 'engine') keepError(line.message)
      worker.onLine(line)
    }
    const { patience } = options
    const waitedMs = readOutput(child.stdout as Readable, onLine, patience)
    // Of what the engine says no line may be missed: why it ends is among them.
    readOutput(child.stderr as Readable, onLine, patience && { ...patience, wanted: () => true })
    const listening = announced(child.stdio[3] as Readable, options.listens.length)
    const timer = setTimeout(() => {
      keepError('The program did not finish starting in time: its top level runs too long')
      worker.kill()
    }, options.startTimeoutMs ?? 10_000)
    const looking = setInterval(() => {
      const pid = command.pid === 'own' ? child.pid : toldPid(info)
      if (pid) options.onStarting?.(pid)
    }, LOOK_MS)
    try {
      await spawned
      await Promise.race([
        listening,
        worker.exited.then(() => {
          throw new StartError(errors.trim() || 'workerd ended without a word')
        }),
      ])
      worker.pid = await innerPid(command.pid, child, info)
      worker.startTicks = startTicks(worker.pid)
      writeFileSync(join(dir, 'pid'), `${worker.pid} ${worker.startTicks} ${bootId()}`)
      if (worker.dead || this.#closed) {
        worker.kill()
        throw new StartError('It was ended while it started')
      }
      return worker
    } catch (error) {
      worker.kill()
      await worker.exited
      throw error
    } finally {
      clearTimeout(timer)
      clearInterval(looking)
    }
  }

  /** @param stateDir its files are its owner's already: then there is nothing to give away */
  #takeUid(stateDir?: string): number | undefined {
    const { firstUid } = this.#sandbox
    if (firstUid === undefined) return undefined
    const owner = stateDir === undefined ? undefined : ownerOf(stateDir)
    const isOurs = owner !== undefined && owner >= firstUid && owner < firstUid + UIDS
    let uid = isOurs ? owner : firstUid + (this.#next % UIDS)
    while (this.#uids.has(uid)) uid = firstUid + ((uid + 1 - firstUid) % UIDS)
    this.#uids.add(uid)
    return uid
  }
}

const MAX_ERRORS = 16_384
const LOOK_MS = 50

function kill(
  worker: WorkerProcess,
  child: ChildProcess,
  info: Info,
  signal: 'SIGKILL' | 'SIGTERM',
): void {
  // The inner one: killing what walls it in while that is still building would leave it behind. Until all its pipes
  // are closed it may live on, even when the outer one is gone.
  const inner = worker.pid > 0 ? worker.pid : toldPid(info)
  if (worker.dead && worker.pid > 0 && startTicks(inner) !== worker.startTicks) return
  try {
    if (inner > 0) process.kill(inner, signal)
    else if (info.pending && !worker.dead) {
      // bubblewrap is about to say whom to kill.
      info.onKnown = () => kill(worker, child, info, signal)
      setTimeout(() => child.kill('SIGKILL'), 3000).unref()
    } else child.kill(signal)
  } catch {
    child.kill('SIGKILL')
  }
}

async function freeze(worker: WorkerProcess): Promise<() => void> {
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => {
    if (!worker.dead && startTicks(worker.pid) === worker.startTicks) process.kill(worker.pid, name)
  }
  signal('SIGSTOP')
  for (let tries = 0; tries < 200 && !standsStill(worker.pid); tries++)
    await new Promise((resolve) => setTimeout(resolve, 1))
  return () => signal('SIGCONT')
}

/** Whether every thread is stopped. Where nobody can tell, the signal has to be enough. */
function standsStill(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) =>
      /\) [TtZX] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1')),
    )
  } catch {
    return true
  }
}

/** Resolves when workerd has announced that many sockets. */
function announced(control: Readable, sockets: number): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0
    control.on('error', () => {})
    control.on('data', (chunk: Buffer) => {
      seen += chunk.toString().split('"listen"').length - 1
      if (seen >= sockets) resolve()
    })
  })
}

/** What bubblewrap tells; `pending` as long as it has not and still may. */
interface Info {
  text: string
  pending: boolean
  onKnown?: () => void
}

/** NaN until it is told. */
const toldPid = ({ text }: Info): number => Number(/"child-pid":\s*(\d+)/.exec(text)?.[1])

function collect(stream: Readable, pending: boolean): Info {
  const collected: Info = { text: '', pending }
  stream.on('error', () => {})
  stream.on('data', (chunk: Buffer) => {
    if (collected.text.length < 4096) collected.text += chunk
    if (!toldPid(collected)) return
    collected.pending = false
    collected.onKnown?.()
  })
  stream.on('close', () => {
    collected.pending = false
  })
  return collected
}

async function innerPid(
  how: 'info' | 'child' | 'own',
  child: ChildProcess,
  info: Info,
): Promise<number> {
  const own = child.pid as number
  if (how === 'own') return own
  if (how === 'child') {
    const children = readFileSync(`/proc/${own}/task/${own}/children`, 'latin1').trim()
    return Number(children.split(' ')[0])
  }
  for (let tries = 0; tries < 200; tries++) {
    const pid = toldPid(info)
    if (pid) return pid
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new StartError('bubblewrap did not say which process it started')
}
