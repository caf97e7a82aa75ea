import { errorCodes } from '@jackcloud/sdk'
import { expect, test } from 'vitest'
import { exit, exitCodeOf } from './exit.ts'

test("only what is nobody's fault in particular ends with 1", () => {
  const others = Object.keys(errorCodes).filter((code) => exitCodeOf(code) === exit.other)
  expect(others).toEqual(['rate_limited', 'internal'])
})

test('the exit codes are those of the contract', () => {
  const codes = [
    'usage',
    'unauthorized',
    'forbidden',
    'not_found',
    'name_taken',
    'network',
    'payment_required',
    'bundle_failed',
    'execution_failed',
    'timeout',
    'interrupted',
  ]
  expect(codes.map(exitCodeOf)).toEqual([2, 3, 3, 4, 5, 6, 7, 8, 8, 9, 130])
})
