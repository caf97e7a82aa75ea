import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** Reads what the kernel knows of another process. All answers are -1 when it is gone. */
export interface ProcessClock {
  source: 'clock_gettime' | 'schedstat' | 'none'
  /** CPU time of all threads since the start of the process. */
  cpuNs(pid: number): bigint
}

/** The exact clock where native calls work, one that is up to a tick (4 ms) late elsewhere on Linux. */
export function openProcessClock(): ProcessClock {
  const none: ProcessClock = { source: 'none', cpuNs: () => -1n }
  if (process.platform !== 'linux') return none
  const native = nativeClock()
  if (native && native(process.pid) > 0n) return { source: 'clock_gettime', cpuNs: native }
  if (schedstat(process.pid) > 0n) return { source: 'schedstat', cpuNs: schedstat }
  return none
}

/** Memory that is the process's own: without the pages of the binary that all processes share. */
export function ownMemoryBytes(pid: number): number {
  try {
    const [, resident, shared] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')
    return (Number(resident) - Number(shared)) * pageBytes()
  } catch {
    return -1
  }
}

/** When the process started, in clock ticks since boot: together with the pid it names one process for good. */
export function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command's name is in parentheses and may hold spaces; the fields after it do not.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function nativeClock(): ((pid: number) => bigint) | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi')
    const clockGettime = koffi.load('libc.so.6').func('int clock_gettime(int clock, void *time)')
    const time = new BigInt64Array(2)
    // The clock id of another process, as clock_getcpuclockid(3) makes it.
    return (pid) =>
      clockGettime((~pid << 3) | 2, time) === 0
        ? (time[0] as bigint) * 1_000_000_000n + (time[1] as bigint)
        : -1n
  } catch {
    return undefined
  }
}

function schedstat(pid: number): bigint {
  try {
    let total = 0n
    for (const task of readdirSync(`/proc/${pid}/task`))
      total += BigInt(
        readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0] ?? 0,
      )
    return total
  } catch {
    return -1n
  }
}

let page = 0

function pageBytes(): number {
  if (!page) {
    const resident = Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1])
    page = 2 ** Math.round(Math.log2(process.memoryUsage.rss() / resident))
  }
  return page
}
