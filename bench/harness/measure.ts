/** One contestant: measures itself once and tells the value, usually milliseconds. */
export type Side = () => Promise<number>

export interface Turns {
  rounds: number
  /** Samples that a side takes in one turn. */
  perTurn: Record<string, number> | number
  /** Rounds before, of which nothing is kept. */
  warmUp?: number
}

/**
 * Lets the sides measure in turns: A B A B. Whatever else the machine does in the meantime hits all of them, which two
 * runs one after the other would not do.
 */
export async function inTurns<Name extends string>(
  sides: Partial<Record<Name, Side>>,
  { rounds, perTurn, warmUp = 1 }: Turns,
): Promise<Record<Name, number[]>> {
  const samples = {} as Record<Name, number[]>
  const entries = Object.entries(sides) as [Name, Side][]
  for (let round = -warmUp; round < rounds; round++) {
    for (const [name, side] of entries) {
      const count = typeof perTurn === 'number' ? perTurn : (perTurn[name] ?? 1)
      for (let i = 0; i < count; i++) {
        const value = await side()
        if (round < 0) continue
        samples[name] ??= []
        samples[name].push(value)
      }
    }
  }
  return samples
}

/** Milliseconds that it takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** The nearest-rank percentile: a value that was measured, none in between. NaN without samples. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length))
  return sorted[rank - 1] ?? Number.NaN
}

export const p50 = (samples: readonly number[]): number => percentile(samples, 50)
export const p99 = (samples: readonly number[]): number => percentile(samples, 99)

/** One statistic of each of the others, by their names. */
export function besides(
  samples: Record<string, number[]>,
  others: readonly string[],
  statistic: (samples: readonly number[]) => number = p50,
): Record<string, number> {
  return Object.fromEntries(
    others.flatMap((name) => (samples[name] ? [[name, statistic(samples[name])]] : [])),
  )
}

/** Does `work` over and over, `callers` at a time, for that long; resolves with how often it was done a second. */
export async function rate(
  callers: number,
  durationMs: number,
  work: () => Promise<unknown>,
): Promise<number> {
  const began = performance.now()
  const until = began + durationMs
  let done = 0
  const caller = async () => {
    while (performance.now() < until) {
      await work()
      done++
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return (done / (performance.now() - began)) * 1_000
}
