import type { z } from 'zod'
import { JackError } from './Errors.ts'

/** Throws `invalid_request` with each field that is wrong. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues.slice(0, 20).map((it) => ({
    path: it.path.join('.'),
    message: it.message,
  }))
  const first = errors[0]
  throw new JackError(
    'invalid_request',
    `The ${what} is not valid: ${first?.path ? `${first.path}: ` : ''}${first?.message}`,
    { fields: { errors } },
  )
}
