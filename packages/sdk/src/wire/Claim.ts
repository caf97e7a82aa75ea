import { z } from 'zod'
import { ProjectName, ProjectRef, Timestamp } from './Names.ts'
import { Usd } from './Usd.ts'

/** Which wallet's projects: all of them, or those that are named. */
export const PrepareClaim = z.strictObject({
  address: z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'an address: 0x and 40 hex digits'),
  projects: z.array(ProjectRef).min(1).max(20).optional(),
})

/** What the wallet signs (EIP-191, `personal_sign`). It names the account that gets the projects, and counts once. */
export const PreparedClaim = z.object({
  nonce: z.string(),
  message: z.string(),
  expires_at: Timestamp,
})

export const Claim = z.strictObject({
  nonce: z.string().min(1).max(100),
  signature: z.string().min(1).max(6_000),
})

export const Claimed = z.object({
  /** These are the account's now; their URLs stay. */
  claimed: z.array(
    z.object({ project_id: z.string(), name: ProjectName, url: z.url(), was: z.string() }),
  ),
  /** These stay where they are. */
  refused: z.array(z.object({ name: z.string(), reason: z.string() })),
  /** Of the account, which pays for their runtime from now on. What the wallet paid in stays the wallet's. */
  balance_usd: Usd,
  hint: z.string().nullable(),
})
export type Claimed = z.infer<typeof Claimed>
