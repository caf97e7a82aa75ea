import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromUsd, toUsd, Usd } from './Usd.ts'

test('every amount survives the way to the wire and back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }), (microUsd) => {
      expect(fromUsd(toUsd(microUsd))).toBe(microUsd)
      expect(Usd.safeParse(toUsd(microUsd)).success).toBe(true)
    }),
  )
})

test('people write amounts shortly', () => {
  expect(fromUsd('5')).toBe(5_000_000n)
  expect(fromUsd('0.25')).toBe(250_000n)
  expect(toUsd(50_000n)).toBe('0.050000')
  expect(toUsd(-1n)).toBe('-0.000001')
})

test.each(['', '.5', '1.', '1e3', '0.0000001', 'NaN', '1,5', ' 1'])('"%s" is no amount', (text) => {
  expect(() => fromUsd(text)).toThrow(RangeError)
})
