import { randomUUID } from 'node:crypto'
import { Client } from 'undici'
import type { Execution, LogLine, Outcome } from '../Engine.ts'
import type { ProcessClock } from './clock.ts'
import { programEntry } from './modules.ts'
import { hung, type OutputLine, outOfMemory } from './output.ts'
import type { Processes, WorkerProcess } from './processes.ts'
import type { Guard, Watchdog } from './watchdog.ts'

/** A process that waits for a program: warm, with a connection. */
export interface ExecuteProcess {
  readonly dead: boolean
  readonly exited: Promise<void>
  readonly worker: WorkerProcess
  readonly client: Client
  kill(): void
}

/** What starting an isolate costs before the program's first line, in CPU time of the process. */
const START_CPU_MS = 5
const NODE_START_CPU_MS = 10

/** Starts one and sends a first program through it, so that the next finds everything compiled. */
export async function startExecuteProcess(
  processes: Processes,
  config: string,
  memoryMb: number,
): Promise<ExecuteProcess> {
  const worker = await processes.start({ purpose: 'execute', config, memoryMb, listens: ['http'] })
  const client = new Client('http://jack', {
    socketPath: worker.socket('http'),
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 600_000,
  })
  void worker.exited.then(() => client.destroy())
  const process = {
    worker,
    client,
    get dead() {
      return worker.dead
    },
    exited: worker.exited,
    kill: () => worker.kill(),
  }
  await post(client, encodeJob(warmUp, 'warm'))
  return process
}

/** Runs one program in a process that is ours alone for as long. */
export async function runProgram(
  process: ExecuteProcess,
  execution: Execution,
  tools: { watchdog: Watchdog; clock: ProcessClock; queuedAt: number },
): Promise<Outcome> {
  const { worker, client } = process
  const { limits, signal } = execution
  const marker = randomUUID()
  const body = encodeJob(execution, marker)
  const printed = collectLogs(worker, marker, limits.logBytes)
  const allowance = START_CPU_MS + (execution.usesNode ? NODE_START_CPU_MS : 0)
  const queueMs = performance.now() - tools.queuedAt
  const startedAt = performance.now()
  const cpuBefore = tools.clock.cpuNs(worker.pid)
  const guard: Guard = tools.watchdog.guard({
    pid: worker.pid,
    memoryMb: limits.memoryMb * 2,
    cpuMs: limits.cpuMs + allowance,
    wallMs: limits.wallMs,
  })
  const abort = () => worker.kill()
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted) abort()
  execution.onStart?.()
  let answer: string | undefined
  try {
    answer = await post(client, body)
  } catch {
    // The connection broke: the process was killed or crashed. Its exit says which.
  }
  const cpuAfter = tools.clock.cpuNs(worker.pid)
  const fired = guard.end()
  const seenCpuMs = Math.max(0, guard.seenCpuMs())
  const durationMs = performance.now() - startedAt
  signal?.removeEventListener('abort', abort)
  if (answer === undefined || fired) {
    worker.kill()
    await worker.exited
    answer = undefined
  } else if (!(await printed.complete())) {
    // Its output does not end where it should: nobody else gets this process.
    worker.kill()
    await worker.exited
  }
  worker.onLine = () => {}
  signal?.throwIfAborted()
  const measured = {
    logs: printed.logs,
    // A process that is gone has no clock: then it is what the watchdog saw last.
    cpuMs: cpuAfter < cpuBefore || fired ? seenCpuMs : Number(cpuAfter - cpuBefore) / 1e6,
    durationMs,
    queueMs,
  }
  if (fired) return { status: 'limited', limit: fired.reason, ...measured }
  if (answer === undefined) {
    if (outOfMemory.test(worker.errors()))
      return { status: 'limited', limit: 'memory', ...measured }
    return { status: 'threw', message: 'The program crashed its isolate', ...measured }
  }
  return { ...interpret(answer, limits.outputBytes, printed.logs.length > 0), ...measured }
}

type Result =
  | { status: 'returned'; result: string }
  | { status: 'threw'; message: string; stack?: string }
  | { status: 'limited'; limit: 'output' }

/** The answer was made next to the program, so nothing in it is believed but that it is the program's. */
function interpret(answer: string, outputBytes: number, printed: boolean): Result {
  const rest = answer.slice(1)
  switch (answer[0]) {
    case 'O':
      return { status: 'limited', limit: 'output' }
    case 'N':
      if (printed) return { status: 'returned', result: 'null' }
      return {
        status: 'threw',
        message:
          'The module exports nothing to run. Write: export function run(input) { return ... }',
      }
    case 'R':
      if (Buffer.byteLength(rest) > outputBytes) return { status: 'limited', limit: 'output' }
      if (parse(rest) !== undefined) return { status: 'returned', result: rest }
      break
    case 'T': {
      const parsed = parse(rest)
      if (Array.isArray(parsed) && typeof parsed[0] === 'string')
        return thrown(parsed[0], parsed[1])
    }
  }
  return { status: 'threw', message: 'The program broke its own entry' }
}

function thrown(message: string, stack: unknown): Result {
  if (hung.test(message))
    return {
      status: 'threw',
      message: 'The program never finished: it waits for a promise that nothing will resolve',
    }
  // The program did not even load: the first line says what, the others where.
  const unloaded = message.replace(/^Failed to start Worker:\n(?:Uncaught )?/, '')
  if (unloaded !== message)
    return { status: 'threw', message: unloaded.split('\n')[0] as string, stack: unloaded }
  if (typeof stack !== 'string') return { status: 'threw', message }
  // Frames of ours tell the author nothing.
  const lines = stack.split('\n').filter((line) => !/^\s+at .*\b_*jack-entry\.js/.test(line))
  return { status: 'threw', message, stack: lines.join('\n') }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** Collects what is printed until the marker, of which the program knows nothing. */
function collectLogs(worker: WorkerProcess, marker: string, logBytes: number) {
  const logs: LogLine[] = []
  let bytes = 0
  let full = false
  let over = () => {}
  const seen = new Promise<true>((resolve) => {
    over = () => resolve(true)
  })
  worker.onLine = (line: OutputLine) => {
    if (line.from === 'engine') return
    if (line.message === marker) {
      worker.onLine = () => {}
      over()
      return
    }
    if (full) return
    const size = Buffer.byteLength(line.message)
    if (bytes + size > logBytes) {
      full = true
      logs.push({ level: 'warn', message: `Only the first ${logBytes} bytes of logs are kept` })
      return
    }
    bytes += size
    logs.push({ level: line.level, message: line.message })
  }
  return {
    logs,
    complete: () => {
      let timer: NodeJS.Timeout
      const late = new Promise<false>((resolve) => {
        timer = setTimeout(() => resolve(false), 2000)
      })
      return Promise.race([seen, late, worker.exited.then(() => false)]).finally(() =>
        clearTimeout(timer),
      )
    },
  }
}

async function post(client: Client, body: Buffer): Promise<string> {
  const response = await client.request({ path: '/', method: 'POST', body })
  return response.body.text()
}

const warmUp = {
  main: 'main.js',
  modules: [
    { name: 'main.js', type: 'esm', bytes: Buffer.from('export const run = (input) => input') },
  ],
  input: null,
  usesNode: false,
  limits: { outputBytes: 100 },
} satisfies Job

type Job = Pick<Execution, 'main' | 'modules' | 'input' | 'usesNode'> & {
  limits: { outputBytes: number }
}

/** A 4-byte length, that much JSON, and the modules' bytes one after another. */
function encodeJob(job: Job, marker: string): Buffer {
  let entryName = 'jack-entry.js'
  while (job.modules.some((module) => module.name === entryName)) entryName = `_${entryName}`
  const header = Buffer.from(
    JSON.stringify({
      marker,
      entryName,
      entry: programEntry(job.main),
      modules: job.modules.map(({ name, type, bytes }) => ({ name, type, size: bytes.length })),
      compatibilityDate: COMPATIBILITY_DATE,
      compatibilityFlags: [job.usesNode ? 'nodejs_compat' : 'no_nodejs_compat'],
      input: job.input ?? null,
      outputBytes: job.limits.outputBytes,
    }),
  )
  const size = Buffer.alloc(4)
  size.writeUInt32BE(header.length)
  return Buffer.concat([size, header, ...job.modules.map((module) => module.bytes)])
}

const COMPATIBILITY_DATE = '2026-11-01'
