import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeId } from './Id.ts'

const random = fc.uint8Array({ minLength: 14, maxLength: 14 })

test('ids sort by time, whatever their randomness', () => {
  const time = fc.integer({ min: 0, max: 2 ** 45 })
  fc.assert(
    fc.property(time, time, random, random, (a, b, x, y) => {
      fc.pre(a !== b)
      expect(makeId('dep', a, x) < makeId('dep', b, y)).toBe(a < b)
    }),
  )
})

test('an id is its prefix and 24 characters that fit into a host', () => {
  fc.assert(
    fc.property(random, (bytes) => {
      expect(makeId('prj', Date.now(), bytes)).toMatch(/^prj_[0-9a-hjkmnp-tv-z]{24}$/)
    }),
  )
})
