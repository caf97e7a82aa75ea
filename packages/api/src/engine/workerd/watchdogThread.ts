import { setPriority } from 'node:os'
import { workerData } from 'node:worker_threads'
import { openProcessClock, ownMemoryBytes } from './clock.ts'
import { ARMED, FIRED, REASONS, type Reason, STOP } from './watchdogSlots.ts'

const control = new Int32Array(workerData.control)
const numbers = new Int32Array(workerData.numbers)
const times = new BigInt64Array(workerData.times)
const clock = openProcessClock()

const PERIOD_MS = 1
/** For slots that only cap memory. */
const SLOW_EVERY = 20

try {
  // This thread alone: on Linux a priority belongs to a thread. It does little, and must do it on a busy machine too.
  if (process.platform === 'linux') setPriority(0, -15)
} catch {
  // Only root may.
}

for (let round = 0; ; round++) {
  // The counter first: whoever stops the thread counts up after saying so.
  const seen = Atomics.load(control, 0)
  if (Atomics.load(control, 2) === STOP) break
  let wait = 60_000
  for (let slot = 0; slot < (control[1] as number); slot++) {
    const at = slot * 4
    if (Atomics.load(numbers, at) !== ARMED) continue
    const slow = times[at + 1] === -1n && times[at + 3] === -1n
    wait = Math.min(wait, slow ? SLOW_EVERY * PERIOD_MS : PERIOD_MS)
    if (slow && wait === PERIOD_MS && round % SLOW_EVERY !== 0) continue
    const reason = exceeded(at)
    if (reason === undefined) continue
    numbers[at + 2] = REASONS.indexOf(reason)
    if (Atomics.compareExchange(numbers, at, ARMED, FIRED) !== ARMED) continue
    try {
      process.kill(numbers[at + 1] as number, 'SIGKILL')
    } catch {
      // It was gone already.
    }
  }
  Atomics.wait(control, 0, seen, wait)
}

function exceeded(at: number): Reason | undefined {
  const pid = numbers[at + 1] as number
  const limit = times[at + 1] as bigint
  if (limit !== -1n) {
    const used = clock.cpuNs(pid) - (times[at] as bigint)
    times[at + 2] = used
    if (used > limit) return 'cpu'
  }
  const deadline = times[at + 3] as bigint
  if (deadline !== -1n && process.hrtime.bigint() > deadline) return 'wall'
  if (ownMemoryBytes(pid) > (numbers[at + 3] as number) * 1048576) return 'memory'
  return undefined
}
