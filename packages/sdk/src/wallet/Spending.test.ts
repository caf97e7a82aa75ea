import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { JackError } from '../JackError.ts'
import {
  book,
  dayOf,
  giveBack,
  nothingSpent,
  parseLimits,
  type Spending,
  spentOn,
} from './Spending.ts'

const at = (time: string) => ({ now: Date.parse(time), inThisCall: 0n, claimable: 0n })
const limits = parseLimits({ perDayUsd: '0.1' })

test('a day begins at midnight in UTC, wherever the clock on the wall is', () => {
  const before = book(nothingSpent, limits, 100_000n, at('2031-05-01T23:59:59.999Z'))
  expect(() => book(before.spending, limits, 1n, at('2031-05-01T23:59:59.999Z'))).toThrow(JackError)
  const after = book(before.spending, limits, 100_000n, at('2031-05-02T00:00:00.000Z'))
  expect(after.spending.totalMicroUsd).toBe(200_000n)
})

test('a clock that goes back to yesterday finds what was spent then', () => {
  const first = book(nothingSpent, limits, 60_000n, at('2031-05-01T23:59:59Z'))
  const second = book(first.spending, limits, 60_000n, at('2031-05-02T00:00:01Z'))
  expect(() => book(second.spending, limits, 60_000n, at('2031-05-01T23:59:59Z'))).toThrow(
    JackError,
  )
})

test('what is given back after midnight was spent yesterday, and makes no room today', () => {
  const first = book(nothingSpent, limits, 100_000n, at('2031-05-01T23:59:59Z'))
  const second = book(first.spending, limits, 100_000n, at('2031-05-02T00:00:01Z'))
  const back = giveBack(second.spending, first.booking, 100_000n)
  expect(() => book(back, limits, 1n, at('2031-05-02T00:00:02Z'))).toThrow(JackError)
  expect(back.totalMicroUsd).toBe(100_000n)
})

test('no day and no life costs more than its limit, whatever the clock does and is given back', () => {
  const step = fc.record({
    hours: fc.integer({ min: 0, max: 60 }),
    microUsd: fc.bigInt({ min: 0n, max: 50_000n }),
    back: fc.constantFrom(0n, 0n, 1n, 2n),
  })
  void fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const both = parseLimits({ perDayUsd: '0.1', totalUsd: '0.25' })
      const days = new Map<string, bigint>()
      let total = 0n
      let spending: Spending = nothingSpent
      for (const { hours, microUsd, back } of steps) {
        const now = Date.parse('2031-05-01T00:00:00Z') + hours * 3_600_000
        try {
          const booked = book(spending, both, microUsd, { now, inThisCall: 0n, claimable: 0n })
          const returned = back === 0n ? 0n : microUsd / back
          spending = giveBack(booked.spending, booked.booking, returned)
          days.set(dayOf(now), (days.get(dayOf(now)) ?? 0n) + microUsd - returned)
          total += microUsd - returned
        } catch (error) {
          if (!(error instanceof JackError)) throw error
        }
      }
      expect(total).toBeLessThanOrEqual(250_000n)
      expect(spending.totalMicroUsd).toBe(total)
      for (const [day, spent] of days) {
        expect(spent).toBeLessThanOrEqual(100_000n)
        expect(spentOn(spending, day)).toBe(spent)
      }
    }),
  )
})

test('a limit that is no amount is refused', () => {
  for (const perDayUsd of ['', '-1', '1e3', 'ten', '0.0000001', 5 as never]) {
    expect(() => parseLimits({ perDayUsd })).toThrow(expect.objectContaining({ code: 'usage' }))
  }
})

test('a record that was lost lets limits hold that count it, each as long as it could matter', () => {
  const lost = { ...nothingSpent, unknownBefore: Date.parse('2031-05-01T12:00:00Z') }
  expect(() => book(lost, limits, 1n, at('2031-05-01T13:00:00Z'))).toThrow(/not known/)
  expect(book(lost, limits, 1n, at('2031-05-02T00:00:00Z')).spending.totalMicroUsd).toBe(1n)
  const life = parseLimits({ totalUsd: '5' })
  expect(() => book(lost, life, 1n, at('2032-01-01T00:00:00Z'))).toThrow(/not known/)
  expect(book(lost, parseLimits({ perCallUsd: '5' }), 1n, at('2031-05-01T13:00:00Z'))).toBeTruthy()
})
