import { execFile } from 'node:child_process'
import { readFile, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** The server that runs on a cluster, whoever started it, as `postmaster.pid` tells. */
export async function runningPostmaster(
  cluster: string,
): Promise<{ pid: number; socket: string } | undefined> {
  const lock = await readLock(cluster)
  if (!lock) return undefined
  // Its number may belong to another process by now, or to a zombie, whose command line is empty.
  const command = await commandLine(lock.pid)
  return command.includes(cluster) ? lock : undefined
}

/** Whether a server was started from this executable, and that is still the same file. */
export async function startedFrom(executable: string, pid: number): Promise<boolean> {
  const command = await commandLine(pid)
  if (!command.startsWith(`${executable} `)) return false
  // Not everybody may ask, such as root in a container; then the name has to do.
  const file = await readlink(`/proc/${pid}/exe`).catch(() => executable)
  return !file.endsWith(' (deleted)')
}

/** Ends the server on a cluster, if any: running transactions are rolled back. Throws after a minute. */
export async function stopPostmaster(cluster: string): Promise<void> {
  const running = await runningPostmaster(cluster)
  if (!running) return
  process.kill(running.pid, 'SIGINT')
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(5))
    if (!(await runningPostmaster(cluster))) return
  throw new Error(`Postgres in ${cluster} did not stop within a minute.`)
}

/**
 * Removes the lock of a dead server whose process number now belongs to something else: Postgres would refuse to
 * start for as long as that runs. Usual after a container was killed, since numbers start again at 1 there.
 */
export async function withoutForeignLock(cluster: string): Promise<void> {
  const lock = await readLock(cluster)
  if (!lock) return
  const command = await commandLine(lock.pid)
  const foreign = command !== '' && !command.includes(cluster) && !command.startsWith('postgres')
  if (foreign) await rm(join(cluster, 'postmaster.pid'), { force: true })
}

async function readLock(cluster: string): Promise<{ pid: number; socket: string } | undefined> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')
  const [pid, , , , socket] = text.split('\n')
  return Number(pid) > 0 && socket ? { pid: Number(pid), socket } : undefined
}

/** Empty for a process that is gone or a zombie. */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    return command.replaceAll('\0', ' ')
  }
  const { stdout } = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(
    () => ({ stdout: '' }),
  )
  return stdout.includes('<defunct>') ? '' : stdout.trim()
}
