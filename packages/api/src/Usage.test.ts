import { cpuStepUs } from '@jackcloud/sdk/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addUsage, costNanoUsd, noUsage, type Usage } from './Usage.ts'

test('a million requests cost $0.50, a million milliseconds $12.50, rows $0.25 and $1.00', () => {
  expect(costNanoUsd({ ...noUsage, requests: 1_000_000 })).toBe(500_000_000n)
  expect(costNanoUsd({ ...noUsage, cpuUs: 1_000_000_000 })).toBe(12_500_000_000n)
  expect(costNanoUsd({ ...noUsage, rowsRead: 1_000_000 })).toBe(250_000_000n)
  expect(costNanoUsd({ ...noUsage, rowsWritten: 1_000_000 })).toBe(1_000_000_000n)
  expect(costNanoUsd({ ...noUsage, egressRequests: 1_000_000, egressBytes: 1e12 })).toBe(0n)
})

const count = fc.nat(1_000_000)
const usage: fc.Arbitrary<Usage> = fc.record({
  requests: count,
  errors: count,
  cpuUs: count.map((steps) => steps * cpuStepUs),
  rowsRead: count,
  rowsWritten: count,
  egressRequests: count,
  egressBytes: count,
  latency: fc.array(fc.nat(1_000), { maxLength: 77 }),
})

test('usage that is counted in parts costs exactly what the whole costs', () => {
  fc.assert(
    fc.property(usage, usage, (a, b) => {
      expect(costNanoUsd(a) + costNanoUsd(b)).toBe(costNanoUsd(addUsage(a, b)))
    }),
  )
})
