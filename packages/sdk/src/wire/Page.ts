import { z } from 'zod'

/** How much of a list to answer, and where to go on. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50).describe('At most so many.'),
  cursor: z
    .string()
    .max(1_000)
    .optional()
    .describe('The `next_cursor` of the page before. Opaque.'),
})

/** The fields that every list carries beside its items. */
export const nextCursor = { next_cursor: z.string().nullable() }
