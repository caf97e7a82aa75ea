import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dueNow, missedMost, nextDue, requireCron } from './Cron.ts'

const at = (text: string) => new Date(text)
const saturday = at('2026-11-21T10:00:30Z')

describe('an expression means what it means to Workers', () => {
  test.each([
    ['* * * * *', '2026-11-21T10:01:00.000Z'],
    ['*/5 * * * *', '2026-11-21T10:05:00.000Z'],
    ['0 17 * * sun', '2026-11-22T17:00:00.000Z'],
    ['0 17 * * 1', '2026-11-22T17:00:00.000Z'],
    ['10 7 * * mon-fri', '2026-11-23T07:10:00.000Z'],
    ['10 7 * * 2-6', '2026-11-23T07:10:00.000Z'],
    ['0 15 1 * *', '2026-12-01T15:00:00.000Z'],
    ['0 18 * * 6L', '2026-11-27T18:00:00.000Z'],
    ['0 18 * * friL', '2026-11-27T18:00:00.000Z'],
    ['0 18 * * FRI#2', '2026-12-11T18:00:00.000Z'],
    ['59 23 LW * *', '2026-11-30T23:59:00.000Z'],
    ['0 0 15W * *', '2026-12-15T00:00:00.000Z'],
    ['0 0 1 jan *', '2027-01-01T00:00:00.000Z'],
    ['0 0 29 2 *', '2028-02-29T00:00:00.000Z'],
    ['0 0 1 * MON', '2026-11-23T00:00:00.000Z'],
  ])('%s is due next at %s', (expression, next) => {
    requireCron(expression, saturday)
    expect(nextDue(expression, saturday)?.toISOString()).toBe(next)
  })
})

test.each([
  '0 0 * * 0',
  '60 * * * *',
  '*/0 * * * *',
  '5/10 * * * *',
  '0 0 31 2 *',
  '0 0 L-3 * *',
  'a b c d e',
  '* * * * * *',
])('%s is refused by its name', (expression) => {
  expect(() => requireCron(expression, saturday)).toThrow(
    expect.objectContaining({
      code: 'invalid_request',
      message: expect.stringContaining(`"${expression}"`),
    }),
  )
})

test('of due times that nobody was there for, the last one is run and the others are counted', () => {
  const expected = at('2026-11-21T10:05:00Z')
  expect(dueNow('*/5 * * * *', expected, expected)).toEqual({ dueAt: expected, missed: 0 })
  expect(dueNow('*/5 * * * *', expected, at('2026-11-21T10:09:59Z'))).toEqual({
    dueAt: expected,
    missed: 0,
  })
  expect(dueNow('*/5 * * * *', expected, at('2026-11-21T10:40:00Z'))).toEqual({
    dueAt: at('2026-11-21T10:40:00Z'),
    missed: 7,
  })
  expect(dueNow('* * * * *', expected, at('2027-11-21T10:40:10Z'))).toEqual({
    dueAt: at('2027-11-21T10:40:00Z'),
    missed: missedMost,
  })
})

test('whenever a claim is made, its due time has come, and the next one has not', () => {
  const instant = fc.date({ min: at('2020-01-01'), max: at('2040-01-01'), noInvalidDate: true })
  const expression = fc.constantFrom('* * * * *', '*/7 3-5 * * *', '0 0 LW * *', '30 4 * * 2,6L')
  fc.assert(
    fc.property(expression, instant, fc.integer({ min: 0, max: 1e8 }), (cron, from, laterMs) => {
      const expected = nextDue(cron, from) as Date
      const now = new Date(expected.getTime() + laterMs)
      const { dueAt, missed } = dueNow(cron, expected, now)
      const next = nextDue(cron, now) as Date
      expect(dueAt >= expected && dueAt <= now && next > now).toBe(true)
      // Nothing is due between what is run and what comes next.
      expect(nextDue(cron, dueAt)).toEqual(next)
      expect(missed === 0).toBe(dueAt.getTime() === expected.getTime())
    }),
  )
})
