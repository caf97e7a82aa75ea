import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Whatever is started here ends with the bench, however that ends.
const children = new Set<ChildProcess>()
const folders = new Set<string>()
let stopping = false

/** Starts a process that `endAll` knows. */
export function start(
  file: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  if (stopping) throw new Error('The bench was interrupted')
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options })
  children.add(child)
  child.once('exit', () => children.delete(child))
  child.once('error', () => children.delete(child))
  return child
}

/** Asks a process to end, and kills it when it has not within `graceMs`. */
export async function end(child: ChildProcess, graceMs = 15_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const over = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await over
  clearTimeout(timer)
}

/** A new folder that other users may pass through, as sandboxes and databases that drop root do. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'jack-bench-'))
  chmodSync(folder, 0o711)
  folders.add(folder)
  return folder
}

export async function endAll(): Promise<void> {
  await Promise.all([...children].map((child) => end(child)))
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  folders.clear()
}

// Only when the bench itself crashes is anything left by now. Asked, not killed: a cloud has a database to stop.
process.on('exit', () => {
  for (const child of children) child.kill('SIGTERM')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    stopping = true
    process.stderr.write('\nStopping what was started ...\n')
    void endAll().finally(() => process.exit(130))
  })
}

/** Whether a signal asked for the end: what fails from then on is no news. */
export const interrupted = (): boolean => stopping

export interface Ran {
  code: number | null
  stdout: string
  /** From the start of the process to its end and the end of its output. */
  ms: number
}

/** Runs a program to its end. Throws when it fails, with what it said. */
export async function run(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Ran> {
  const began = performance.now()
  const child = start(file, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const ms = performance.now() - began
  if (code === 0) return { code, stdout, ms }
  throw new Error(`${file} ${args.join(' ')} ended with ${code}:\n${stderr || stdout}`)
}

/** The first line that a process says on one of its pipes. Rejects when it ends without a word. */
export function firstLine(child: ChildProcess, descriptor = 1): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdio[descriptor]?.on('data', (chunk: Buffer) => {
      text += chunk
      const end = text.indexOf('\n')
      if (end >= 0) resolve(text.slice(0, end))
    })
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      reject(new Error(`${child.spawnargs.join(' ')} ended with ${code ?? signal}`)),
    )
  })
}
