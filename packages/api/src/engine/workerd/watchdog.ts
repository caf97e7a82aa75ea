import { Worker } from 'node:worker_threads'
import type { ProcessClock } from './clock.ts'
import { ARMED, FIRED, IDLE, REASONS, type Reason, SLOTS, STOP } from './watchdogSlots.ts'

export interface Guarded {
  pid: number
  memoryMb: number
  /** Without these it only watches memory, and looks less often. */
  cpuMs?: number
  wallMs?: number
}

export interface Guard {
  /** Stops watching. Says why the process was killed, if it was. */
  end(): { reason: Reason } | undefined
  /** CPU that it had used when the watchdog looked last. */
  seenCpuMs(): number
}

/**
 * A thread that looks at armed processes every millisecond and kills the one that is over a limit, however busy the
 * main thread is.
 */
export class Watchdog {
  readonly #shared = {
    control: new SharedArrayBuffer(12),
    numbers: new SharedArrayBuffer(SLOTS * 16),
    times: new SharedArrayBuffer(SLOTS * 32),
  }
  readonly #control = new Int32Array(this.#shared.control)
  readonly #numbers = new Int32Array(this.#shared.numbers)
  readonly #times = new BigInt64Array(this.#shared.times)
  readonly #free = Array.from({ length: SLOTS }, (_, i) => SLOTS - 1 - i)
  readonly #clock: ProcessClock
  readonly #thread: Worker

  constructor(clock: ProcessClock) {
    this.#clock = clock
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
    this.#thread = new Worker(new URL(`./watchdogThread.${extension}`, import.meta.url), {
      workerData: this.#shared,
      // Types are stripped by Node; nothing of a test runner's or a debugger's belongs here.
      execArgv: [],
    })
    this.#thread.unref()
  }

  guard({ pid, memoryMb, cpuMs, wallMs }: Guarded): Guard {
    const slot = this.#free.pop()
    if (slot === undefined) throw new Error('More processes than the watchdog can watch')
    const numbers = this.#numbers.subarray(slot * 4, slot * 4 + 4)
    const times = this.#times.subarray(slot * 4, slot * 4 + 4)
    const start = this.#clock.cpuNs(pid)
    numbers[1] = pid
    numbers[2] = 0
    numbers[3] = memoryMb
    times[0] = start
    times[1] = cpuMs === undefined || start < 0n ? -1n : BigInt(Math.round(cpuMs * 1e6))
    times[2] = 0n
    times[3] =
      wallMs === undefined ? -1n : process.hrtime.bigint() + BigInt(Math.round(wallMs * 1e6))
    Atomics.store(numbers, 0, ARMED)
    if (slot >= (this.#control[1] as number)) Atomics.store(this.#control, 1, slot + 1)
    Atomics.add(this.#control, 0, 1)
    Atomics.notify(this.#control, 0)
    let ended = false
    let seen = 0
    return {
      end: () => {
        if (ended) return undefined
        ended = true
        const fired = Atomics.exchange(numbers, 0, IDLE) === FIRED
        const result = fired ? { reason: REASONS[numbers[2] as number] as Reason } : undefined
        // The slot is somebody else's from here on.
        seen = Number(times[2]) / 1e6
        this.#free.push(slot)
        return result
      },
      seenCpuMs: () => seen,
    }
  }

  /** The thread ends by itself: to cut it off inside of native code would end the whole process. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#thread.once('exit', resolve))
    this.#thread.ref()
    Atomics.store(this.#control, 2, STOP)
    Atomics.add(this.#control, 0, 1)
    Atomics.notify(this.#control, 0)
    await ended
  }
}
