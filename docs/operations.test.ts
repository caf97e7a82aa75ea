import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { operationsPage } from '../scripts/operationsPage.ts'

test('the page of operations is what its script writes', () => {
  const page = readFileSync(new URL('operations.md', import.meta.url), 'utf8')
  expect(page, 'node --conditions=jack:src scripts/operations.ts').toBe(operationsPage())
})
