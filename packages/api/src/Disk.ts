import { JackError } from './Errors.ts'

/**
 * `unavailable` when something could not be written because there is no space: here, on the database's disk, or for
 * want of a quota. Undefined for any other error.
 */
export function diskFull(error: unknown): JackError | undefined {
  const code = error instanceof Error && (error as { code?: unknown }).code
  if (typeof code !== 'string' || !/^(ENOSPC|EDQUOT|EFBIG|53100)$/.test(code)) return undefined
  return new JackError('unavailable', 'The disk of this cloud is full.', {
    hint: 'Nothing was changed. Try again when its operator has made room.',
    cause: error,
  })
}
