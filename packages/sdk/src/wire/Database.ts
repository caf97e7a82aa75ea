import { z } from 'zod'
import { limits } from './limits.ts'

const sql = z.string().max(limits.requestBodyBytes)

/** What stands in the place of a `?`. */
const params = z.array(z.union([z.string(), z.number(), z.null()])).max(100)

/**
 * SQL, with `params` for one statement and without for many; or a batch of statements with parameters each. All of it
 * is one transaction.
 */
export const QueryDatabase = z.union([
  z.strictObject({ sql, params: params.optional() }),
  z.strictObject({
    batch: z
      .array(z.strictObject({ sql, params: params.optional() }))
      .min(1)
      .max(10_000),
  }),
])
export type QueryDatabase = z.infer<typeof QueryDatabase>

/** A result for each statement. A BLOB is an array of its bytes, an integer beyond 2^53 is rounded. */
export const QueryResults = z.object({
  results: z.array(
    z.object({
      columns: z.array(z.string()),
      rows: z.array(z.array(z.unknown())),
      rows_read: z.number(),
      rows_written: z.number(),
      changes: z.number(),
    }),
  ),
  /** Of the database after all of them. */
  size_bytes: z.number(),
})
export type QueryResults = z.infer<typeof QueryResults>

export const DatabaseList = z.object({
  databases: z.array(z.object({ name: z.string(), size_bytes: z.number() })),
})

/** The statements that make the database again, a line each. */
export const DatabaseExport = z.object({ name: z.string(), sql: z.string() })
