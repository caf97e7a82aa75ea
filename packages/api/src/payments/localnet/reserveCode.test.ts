import { expect, test } from 'vitest'
import { compileReserve } from './compileReserve.ts'
import { reserveCode } from './reserveCode.ts'

test('the code that is installed is what the source compiles to', async () => {
  expect(reserveCode).toBe((await compileReserve()).runtimeCode)
})
