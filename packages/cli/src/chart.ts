const heights = '▁▂▃▄▅▆▇█'
const eighths = ' ▏▎▍▌▋▊▉█'

/**
 * One character a value, as high as its share of the highest; nothing stays a blank.
 *
 * @example sparkline([0, 1, 4, 8]) // ' ▁▄█'
 */
export function sparkline(values: readonly number[]): string {
  const highest = Math.max(...values, 0)
  return values
    .map((it) =>
      it > 0 ? heights[Math.max(0, Math.ceil((it / highest) * heights.length) - 1)] : ' ',
    )
    .join('')
}

/**
 * A bar of a share of `width` characters, in eighths of a character; whatever is more than nothing shows.
 *
 * @example bar(0.5, 4) // '██'
 */
export function bar(share: number, width: number): string {
  if (!(share > 0)) return ''
  const steps = Math.max(1, Math.round(Math.min(1, share) * width * 8))
  return eighths[8]?.repeat(Math.floor(steps / 8)) + (steps % 8 ? (eighths[steps % 8] ?? '') : '')
}

const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const

/**
 * The buckets of a time with the empty ones between them, until now; several next to each other are added up when there
 * are more than `most`.
 *
 * @param options.since where to begin when that is before the first bucket
 */
export function series<T extends { at: string }>(
  buckets: readonly T[],
  per: keyof typeof unitMs,
  value: (bucket: T) => number,
  options: { since?: number | undefined; now?: number; most?: number } = {},
): number[] {
  const first = buckets[0]
  if (!first) return []
  const { now = Date.now(), most = 60, since = now } = options
  const firstMs = Date.parse(first.at)
  const before = Math.max(0, Math.floor((firstMs - since) / unitMs[per]))
  const start = firstMs - before * unitMs[per]
  const count = Math.max(1, Math.floor((now - start) / unitMs[per]) + 1)
  const together = Math.ceil(count / most)
  const sums = Array.from({ length: Math.ceil(count / together) }, () => 0)
  for (const it of buckets) {
    const i = Math.floor((Date.parse(it.at) - start) / unitMs[per] / together)
    if (i < sums.length) sums[i] = (sums[i] ?? 0) + value(it)
  }
  return sums
}

/** When a time began that is said as how long ago ("24h"); undefined for anything else. */
export function sinceOf(text: string, now = Date.now()): number | undefined {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (!amount) return undefined
  return now - Number(amount) * { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 's']
}
