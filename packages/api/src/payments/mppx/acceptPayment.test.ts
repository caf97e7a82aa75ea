import fc from 'fast-check'
import { expect, test } from 'vitest'
import { preferred } from './acceptPayment.ts'

const session = { method: 'tempo', intent: 'session' }
const charge = { method: 'tempo', intent: 'charge' }
const both = [session, charge]

test.each([
  [undefined, both],
  ['tempo/charge', [charge]],
  ['tempo/session', [session]],
  ['tempo/charge, tempo/session', both],
  ['tempo/session;q=0.1, tempo/charge', [charge, session]],
  ['tempo/*;q=0.5, tempo/charge', [charge, session]],
  ['*/*, tempo/session;q=0', [charge]],
  [' tempo/charge ; q=1.000 ', [charge]],
  ['*/charge;q=0.2,tempo/*;q=0.2', both],
  // Nothing that we have, nothing at all, or nothing that can be read: the client sees what there is.
  ['stripe/charge', both],
  ['tempo/charge;q=0', both],
  ['', both],
  ['tempo', both],
  ['tempo/charge;q=2', both],
  ['tempo/charge, <script>', both],
])('Accept-Payment: %s', (header, expected) => {
  expect(preferred(both, header)).toEqual(expected)
})

test('whatever a client accepts, it is offered something, and nothing twice', () => {
  fc.assert(
    fc.property(fc.string(), (header) => {
      const offered = preferred(both, header)
      expect(offered.length).toBeGreaterThan(0)
      expect(new Set(offered).size).toBe(offered.length)
    }),
  )
})
