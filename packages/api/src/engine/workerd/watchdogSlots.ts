/**
 * What main thread and watchdog share, per slot.
 * Int32: state, pid, reason, memory cap in MB. BigInt64: CPU at arming, CPU limit, CPU used, wall deadline (all ns; -1 none).
 * Control: a counter that wakes the thread, one past the highest slot in use so far, and whether to stop.
 */
export const SLOTS = 4096

export const IDLE = 0
export const ARMED = 1
export const FIRED = 2

export const STOP = 1

export type Reason = 'cpu' | 'wall' | 'memory'
export const REASONS: Reason[] = ['cpu', 'wall', 'memory']
