import { z } from 'zod'
import { Timestamp } from './Names.ts'
import { nextCursor } from './Page.ts'

/** Something that was done, or tried, in an account's name. Reading is not told, nor executions: receipts list those. */
export const AuditEntry = z.object({
  at: Timestamp,
  /** Name of the operation, as in the OpenAPI document. */
  operation: z.string(),
  project: z.string().nullable(),
  /** Of the token that it was done with; null for a wallet. */
  token_id: z.string().nullable(),
  token_name: z.string().nullable(),
  /** Of the client, as far as proxies can be trusted. */
  address: z.string(),
  /** HTTP status of the answer. */
  status: z.number(),
  request_id: z.string(),
})
export type AuditEntry = z.infer<typeof AuditEntry>

export const AuditPage = z.object({ entries: z.array(AuditEntry), ...nextCursor })
