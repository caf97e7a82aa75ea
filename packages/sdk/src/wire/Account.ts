import { z } from 'zod'
import { Manifest } from './Deploy.ts'
import { ProjectName, Timestamp } from './Names.ts'
import { nextCursor } from './Page.ts'
import { Usd, UsdInput } from './Usd.ts'

/** What a token may do. `admin` includes the rest. */
export const scopes = ['read', 'execute', 'deploy', 'admin'] as const
export const Scope = z.enum(scopes)
export type Scope = z.infer<typeof Scope>

export const Token = z.object({
  token_id: z.string(),
  name: z.string(),
  /** How the token begins, to tell tokens apart. */
  prefix: z.string(),
  scopes: z.array(Scope),
  project: ProjectName.nullable(),
  daily_cap_usd: Usd.nullable(),
  /** The client that got it by OAuth, such as "jack-cli"; null for one that was made by hand. */
  client_id: z.string().nullable(),
  /** What it is good for, `mcp` being the MCP server alone; null for everything. */
  resource: z.enum(['api', 'mcp']).nullable(),
  created_at: Timestamp,
  expires_at: Timestamp.nullable(),
  last_used_at: Timestamp.nullable(),
})
export type Token = z.infer<typeof Token>

export const CreateToken = z.strictObject({
  name: z.string().min(1).max(100),
  scopes: z.array(Scope).min(1).default(['read', 'deploy']),
  /** Confines the token to one project. */
  project: ProjectName.optional(),
  expires_in_hours: z.number().positive().max(87_600).optional(),
  daily_cap_usd: UsdInput.optional(),
})
/** `token` is shown in this answer and never again. */
export const CreatedToken = Token.extend({ token: z.string() })
export const TokenPage = z.object({ tokens: z.array(Token), ...nextCursor })

export const Me = z.object({
  account_id: z.string(),
  slug: z.string(),
  kind: z.enum(['local', 'wallet', 'person']),
  /** Of the wallet that the account is. */
  address: z.string().nullable(),
  balance_usd: Usd,
  token: Token.nullable(),
})
export type Me = z.infer<typeof Me>

export const Balance = z.object({
  /** What can be spent now. */
  balance_usd: Usd,
  /** Reserved for work in progress. */
  held_usd: Usd,
  /** Runtime that was used and is not charged yet; charged every few seconds, and counted when a balance is used up. */
  pending_usd: Usd,
})

export const AddBalance = z.strictObject({
  amount_usd: UsdInput.refine((it) => Number(it) > 0, 'more than nothing'),
  /** Whose balance: the live URL, its label ("brave-otter-api") or the id of any project. Default: one's own. */
  project: z.string().min(1).max(300).optional(),
})

/** What was added, and the projects that this resumed. The balance is told to its owner only. */
export const AddedBalance = Balance.partial().extend({
  added_usd: Usd,
  resumed: z.array(ProjectName),
})

/** What an upload of this manifest would cost; its files are not sent. */
export const QuoteManifest = z.strictObject({
  manifest: Manifest,
  name: ProjectName.optional(),
})
export type QuoteManifest = z.input<typeof QuoteManifest>

/** What a request would cost. Nothing is kept or charged. */
export const Quote = z.object({
  operation: z.enum(['execute', 'deploy']),
  price_usd: Usd,
  digest: z.string(),
  size_bytes: z.number(),
  /** The version is live already, so that the deploy would be free. */
  deduplicated: z.boolean(),
  balance_usd: Usd.nullable(),
  /** Hours that the balance lasts at the rate of the last 24 hours; null when nothing was used. */
  runway_hours: z.number().nullable(),
  warnings: z.array(z.string()),
})
