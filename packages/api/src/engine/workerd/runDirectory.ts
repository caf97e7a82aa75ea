import { createHash } from 'node:crypto'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { JackError } from '../../Errors.ts'
import { startTicks } from './clock.ts'

/** Where sockets live when nobody says: short, since the path of a unix socket has at most 107 bytes. */
export function defaultRunDir(dataDir: string): string {
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 12)
  return join(tmpdir(), `jack-${hash}`)
}

/**
 * Takes the directory for this supervisor, and kills what a crashed predecessor left running in it.
 * Throws `unavailable` while another supervisor uses it. Returns the function that gives it back.
 */
export function takeRunDirectory(runDir: string): () => void {
  if (Buffer.byteLength(runDir) > 80) throw new Error(`${runDir} is too long for unix sockets`)
  mkdirSync(runDir, { recursive: true, mode: 0o711 })
  const found = lstatSync(runDir)
  const uid = process.getuid?.()
  // In a shared temporary directory somebody else may have made it first.
  if (!found.isDirectory() || (uid !== undefined && found.uid !== uid))
    throw new Error(`${runDir} is not a directory of ours`)
  chmodSync(runDir, 0o711)
  const lock = join(runDir, 'supervisor')
  if (taken.has(runDir) || isRunning(readMark(lock)))
    throw new JackError('unavailable', `Another Jack is running on ${runDir}`)
  taken.add(runDir)
  sweep(runDir)
  writeFileSync(lock, `${process.pid} ${startTicks(process.pid)} ${bootId()}`, { mode: 0o600 })
  return () => {
    taken.delete(runDir)
    rmSync(lock, { force: true })
    try {
      rmdirSync(runDir)
    } catch {
      // Something of another is in it.
    }
  }
}

const taken = new Set<string>()

/** Kills only a process that has the pid, the start time and the boot that were written down: never a stranger. */
function sweep(runDir: string): void {
  for (const name of readdirSync(runDir)) {
    if (!/^p[0-9a-z]+$/.test(name)) continue
    const mark = readMark(join(runDir, name, 'pid'))
    if (isRunning(mark)) process.kill(mark.pid, 'SIGKILL')
    rmSync(join(runDir, name), { recursive: true, force: true })
  }
  for (const pid of strays(runDir)) process.kill(pid, 'SIGKILL')
}

/** Those that a predecessor had no time to write down: workerds whose sockets are in this very directory. */
function strays(runDir: string): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!(pid > 1)) return false
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1')
        if (!/workerd\0serve\0/.test(command)) return false
        if (command.includes(`unix:${runDir}/p`)) return true
        return readFileSync(`/proc/${pid}/mountinfo`, 'latin1')
          .split('\n')
          .some((line) => line.includes(`/${basename(runDir)}/p`) && line.includes(' /run '))
      } catch {
        return false
      }
    })
}

interface Mark {
  pid: number
  start: string
  boot: string
}

function readMark(path: string): Mark | undefined {
  try {
    const [pid, start = '', boot = ''] = readFileSync(path, 'utf8').split(' ')
    return { pid: Number(pid), start, boot }
  } catch {
    return undefined
  }
}

const isRunning = (mark: Mark | undefined): mark is Mark =>
  mark !== undefined &&
  mark.pid > 1 &&
  mark.pid !== process.pid &&
  mark.boot === bootId() &&
  startTicks(mark.pid) === mark.start

export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return 'unknown'
  }
}
