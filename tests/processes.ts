import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface Process {
  pid: number
  ppid: number
  command: string
}

/** Every process of this machine, zombies aside. */
export function allProcesses(): Process[] {
  if (process.platform !== 'linux') return fromPs()
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        if (state === 'Z' || state === 'X') return []
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        return [{ pid: Number(name), ppid: Number(ppid), command }]
      } catch {
        return []
      }
    })
}

/** Those that name a folder on their command line, or live in a sandbox with something of it. */
export const processesOf = (folder: string): Process[] =>
  allProcesses().filter(
    ({ pid, command }) => command.includes(folder) || mounts(pid).includes(folder),
  )

/** Those that a process started, and those that these started. */
export function descendantsOf(root: number): Process[] {
  const all = allProcesses()
  const found = all.filter(({ ppid }) => ppid === root)
  for (const { pid } of found) found.push(...all.filter(({ ppid }) => ppid === pid))
  return found
}

export function isAlive(pid: number): boolean {
  return allProcesses().some((it) => it.pid === pid)
}

function fromPs(): Process[] {
  const lines = execFileSync('ps', ['-axo', 'pid=,ppid=,stat=,command='], { encoding: 'utf8' })
  return [...lines.matchAll(/^ *(\d+) +(\d+) +([^Z\s]\S*) +(.*)$/gm)].map(
    ([, pid, ppid, , command = '']) => ({ pid: Number(pid), ppid: Number(ppid), command }),
  )
}

/** What a sandbox sees. A process without one sees what everybody does, which says nothing about it. */
function mounts(pid: number): string {
  try {
    if (readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/self/ns/mnt')) return ''
    return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  } catch {
    return ''
  }
}
