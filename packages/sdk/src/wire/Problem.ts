import { z } from 'zod'

/** A command to type next, and the case in which it helps. */
export const Next = z.object({ command: z.string(), when: z.string() })

/** One place in the sources where bundling failed. Line and column count from 1. */
export const BundleProblem = z.object({
  file: z.string().optional(),
  line: z.number().int().optional(),
  column: z.number().int().optional(),
  text: z.string(),
  line_text: z.string().optional(),
  hint: z.string().optional(),
})

/** The body of every answer that is not 2xx: `application/problem+json` (RFC 9457). */
export const Problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  /** One of `errorCodes`. */
  code: z.string(),
  hint: z.string().optional(),
  next: z.array(Next).optional(),
  request_id: z.string().optional(),
})
export type Problem = z.infer<typeof Problem>
