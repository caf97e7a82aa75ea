import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addHistograms, type Histogram, quantileMs, stepOf } from './Latency.ts'

const histogramOf = (durations: number[]): Histogram => {
  const histogram = Array.from({ length: 77 }, () => 0)
  for (const it of durations) histogram[stepOf(it)] = (histogram[stepOf(it)] as number) + 1
  return histogram
}

test('a quantile is within a fifth of the duration that it stands for', () => {
  const durations = fc.array(fc.double({ min: 0.25, max: 120_000, noNaN: true }), { minLength: 1 })
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.9, 0.99), (all, share) => {
      const exact = all.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(all.length * share)) - 1]
      const said = quantileMs(histogramOf(all), share) as number
      expect(said / (exact as number)).toBeGreaterThan(0.8)
      expect(said / (exact as number)).toBeLessThan(1.2)
    }),
  )
})

test('whatever a duration is, it has a step', () => {
  for (const it of [0, -1, 0.1, Number.NaN, 1e12, Number.POSITIVE_INFINITY]) {
    expect(stepOf(it)).toBeGreaterThanOrEqual(0)
    expect(stepOf(it)).toBeLessThanOrEqual(76)
  }
  expect(quantileMs([], 0.5)).toBe(null)
})

test('histograms of different lengths add up', () => {
  expect(addHistograms([1, 2], [10, 20, 30])).toEqual([11, 22, 30])
  expect(addHistograms([], [1])).toEqual([1])
})
