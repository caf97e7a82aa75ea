import { expect, test } from 'vitest'
import { routes } from './operations.ts'
import { operations } from './wire/operations.ts'

test('the client sends every operation where the contract says', () => {
  const stated = Object.entries(operations).map(([name, { method, path }]) => [
    name,
    [method, path],
  ])
  expect(routes).toEqual(Object.fromEntries(stated))
})
