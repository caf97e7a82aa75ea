import { expect, test } from 'vitest'
import { bar, series, sinceOf, sparkline } from './chart.ts'

test('a sparkline shows shares of the highest, and whatever is more than nothing', () => {
  expect(sparkline([0, 1, 4, 8])).toBe(' ▁▄█')
  expect(sparkline([0, 0.001, 1_000])).toBe(' ▁█')
  expect(sparkline([0, 0])).toBe('  ')
  expect(sparkline([])).toBe('')
})

test('a bar is as long as its share', () => {
  expect(bar(1, 4)).toBe('████')
  expect(bar(0.5, 4)).toBe('██')
  expect(bar(0.53, 4)).toBe('██▏')
  expect(bar(0.0001, 4)).toBe('▏')
  expect(bar(0, 4)).toBe('')
  expect(bar(Number.NaN, 4)).toBe('')
})

test('hours without use are there, until now, and many are added up', () => {
  const at = (hour: number) => ({ at: `2026-11-21T${String(hour).padStart(2, '0')}:00:00Z` })
  const buckets = [at(3), at(5), at(6)]
  const now = Date.parse('2026-11-21T08:30:00Z')
  expect(series(buckets, 'hour', () => 2, { now })).toEqual([2, 0, 2, 2, 0, 0])
  expect(series(buckets, 'hour', () => 2, { now, most: 3 })).toEqual([2, 4, 0])
  const since = Date.parse('2026-11-21T01:10:00Z')
  expect(series(buckets, 'hour', () => 2, { now, since })).toEqual([0, 2, 0, 2, 2, 0, 0])
  expect(series([], 'hour', () => 1, { now })).toEqual([])
})

test('how long ago is a moment, and a time is its own', () => {
  expect(sinceOf('24h', 86_400_000)).toBe(0)
  expect(sinceOf('2026-11-21')).toBe(undefined)
})
