import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface Child {
  process: ChildProcess
  lines: string[]
  /** The first line, or an error with what it printed when it ended before. */
  ready: Promise<string>
  ended: Promise<unknown>
  kill(): Promise<void>
}

/** Runs a program in a process of its own. `as` makes it another user's, which only root may do. */
export function runChild(program: URL, args: string[], as?: { uid: number; gid: number }): Child {
  const path = fileURLToPath(program)
  const it = spawn(process.execPath, ['--conditions=jack:src', path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: '/',
    ...as,
  })
  const lines: string[] = []
  let errors = ''
  it.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const ended = once(it, 'close')
  const ready = new Promise<string>((resolve, reject) => {
    createInterface(it.stdout).on('line', (line) => {
      lines.push(line)
      resolve(line)
    })
    void ended.then(() => reject(new Error(`${path} ended: ${errors}`)))
  })
  ready.catch(() => {})
  const kill = async () => {
    it.kill('SIGKILL')
    await ended
  }
  return { process: it, lines, ready, ended, kill }
}
