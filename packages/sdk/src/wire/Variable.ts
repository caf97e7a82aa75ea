import { z } from 'zod'

const mostLevels = 32

/** The value of a variable: a text, or other JSON, which the program finds in `env` as what it is. */
export const Variable = z
  .unknown()
  .refine((value) => isWithin(value, mostLevels), `JSON of at most ${mostLevels} levels`)

function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.values(value).every((inner) => isWithin(inner, levels - 1))
}
