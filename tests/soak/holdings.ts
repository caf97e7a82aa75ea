import { readdirSync, readFileSync } from 'node:fs'

export interface Holdings {
  memoryMb: number
  files: number
  /** Processes below it, at any depth. */
  processes: number
  sockets: number
}

/** What a server holds: memory that is its own, open files, sockets among them, and processes below it. */
export function holdings(pid: number): Holdings {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      parents.set(Number(name), Number(stat.split(') ')[1]?.split(' ')[1]))
    } catch {
      // It ended meanwhile.
    }
  }
  const isBelow = (it: number): boolean => {
    const parent = parents.get(it)
    return parent !== undefined && parent > 1 && (parent === pid || isBelow(parent))
  }
  const unix = readFileSync(`/proc/${pid}/net/unix`, 'utf8').split('\n').length
  return {
    memoryMb: Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1_024),
    files: readdirSync(`/proc/${pid}/fd`).length,
    processes: [...parents.keys()].filter(isBelow).length,
    sockets: unix,
  }
}
