import { expect, test } from 'vitest'
import { parseWhen } from './When.ts'

const now = new Date('2026-01-02T00:00:00Z')

test('a time is a date, or how long ago', () => {
  expect(parseWhen('90s', now)).toEqual(new Date('2026-01-01T23:58:30Z'))
  expect(parseWhen('2h', now)).toEqual(new Date('2026-01-01T22:00:00Z'))
  expect(parseWhen('1d', now)).toEqual(new Date('2026-01-01T00:00:00Z'))
  expect(parseWhen('2025-12-31T10:00:00Z', now)).toEqual(new Date('2025-12-31T10:00:00Z'))
})

test.each(['', 'yesterday', '5', '-5m', '5y', '2025-13-99'])(
  '"%s" is refused with what would do',
  (text) => {
    expect(() => parseWhen(text, now)).toThrow(/is not a time/)
  },
)
