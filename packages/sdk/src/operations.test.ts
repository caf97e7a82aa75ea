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

test('every example is a body that its operation takes', () => {
  const examples = Object.values(operations).flatMap((it) =>
    'example' in it ? [[it.body, it.example] as const] : [],
  )
  expect(examples.length).toBeGreaterThan(2)
  for (const [body, example] of examples) expect(() => body.parse(example)).not.toThrow()
})
