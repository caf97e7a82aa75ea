import { expect, test } from 'vitest'
import { diskFull } from './Disk.ts'

test('what fails for want of space is said to, wherever it happened, and nothing else is', () => {
  const failed = (code: unknown) => diskFull(Object.assign(new Error('failed'), { code }))
  for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG', '53100'])
    expect(failed(code)).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/full/),
    })
  for (const code of ['ENOENT', '53200', '23505', 28, undefined])
    expect(failed(code)).toBe(undefined)
  expect(diskFull('ENOSPC')).toBe(undefined)
})
