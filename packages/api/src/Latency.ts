/**
 * How long requests took: counts in steps that grow by a fifth, so that a minute of a busy app fits into a hundred
 * bytes and a quantile is within a tenth of the truth. Trailing steps without a request are left out.
 */
export type Histogram = readonly number[]

/** Up to 0.25 ms; each four further steps twice as long; the last, from two minutes on, holds the rest. */
const firstMs = 0.25
const stepsPerOctave = 4
const lastStep = 76

export function stepOf(durationMs: number): number {
  if (!(durationMs > firstMs)) return 0
  return Math.min(lastStep, Math.ceil(Math.log2(durationMs / firstMs) * stepsPerOctave))
}

/** The longest duration that a step holds, in milliseconds. */
export const upToMs = (step: number): number => firstMs * 2 ** (step / stepsPerOctave)

export function addHistograms(a: Histogram, b: Histogram): Histogram {
  const [longer, shorter] = a.length >= b.length ? [a, b] : [b, a]
  return longer.map((count, step) => count + (shorter[step] ?? 0))
}

/**
 * The duration in milliseconds that a share of all requests did not exceed; null without any.
 *
 * @param share 0.99 for the 99th percentile
 */
export function quantileMs(histogram: Histogram, share: number): number | null {
  const total = histogram.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  const wanted = Math.max(1, Math.ceil(total * share))
  let seen = 0
  for (const [step, count] of histogram.entries()) {
    if (seen + count < wanted) {
      seen += count
      continue
    }
    const from = step === 0 ? 0 : upToMs(step - 1)
    return from + (upToMs(step) - from) * ((wanted - seen) / count)
  }
  return upToMs(lastStep)
}
