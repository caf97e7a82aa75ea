import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addUsage, costNanoUsd, noUsage } from './Usage.ts'

test('a million requests cost $0.50, a million milliseconds $12.50', () => {
  expect(costNanoUsd({ ...noUsage, requests: 1_000_000 })).toBe(500_000_000n)
  expect(costNanoUsd({ ...noUsage, cpuMs: 1_000_000 })).toBe(12_500_000_000n)
})

test('usage that is counted in parts never costs more than the whole', () => {
  const usage = fc.record({
    requests: fc.nat(1_000_000),
    errors: fc.nat(1_000),
    cpuMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  })
  fc.assert(
    fc.property(usage, usage, (a, b) => {
      // Adding milliseconds as floats may round in the last place: one part in 10^15.
      expect(costNanoUsd(a) + costNanoUsd(b)).toBeLessThanOrEqual(costNanoUsd(addUsage(a, b)) + 13n)
    }),
  )
})
