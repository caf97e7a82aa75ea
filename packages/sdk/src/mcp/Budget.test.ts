import fc from 'fast-check'
import { expect, test } from 'vitest'
import { clipped, fitting, tokensOf } from './Budget.ts'

test('what fits is within the budget, and what comes next is not', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.nat(200), (items, tokens) => {
      const count = fitting(items, tokens)
      const size = (n: number) => items.slice(0, n).reduce((sum, it) => sum + tokensOf(it) + 1, 0)
      if (count > 1) expect(size(count)).toBeLessThanOrEqual(tokens)
      if (count < items.length) expect(size(count + 1)).toBeGreaterThan(tokens)
      if (items.length > 0) expect(count).toBeGreaterThan(0)
    }),
  )
})

test('a long text says how much of it is missing', () => {
  expect(clipped('short', 10)).toBe('short')
  expect(clipped('a'.repeat(1_000), 10)).toBe(`${'a'.repeat(30)} … (970 more characters)`)
  expect(clipped(`${'a'.repeat(29)}😀😀`, 10).isWellFormed()).toBe(true)
})
