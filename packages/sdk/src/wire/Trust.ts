import { z } from 'zod'
import { CreatedToken, Scope } from './Account.ts'
import { ProjectName, Timestamp } from './Names.ts'
import { nextCursor } from './Page.ts'
import { Usd, UsdInput } from './Usd.ts'

/** What a token that is got by a trust may do: never more. */
const TrustScope = Scope.exclude(['admin'])

/**
 * Who proves by OpenID Connect to be a run of some CI, and what it may get for that: a token for one project, with a daily
 * cap that all tokens of the trust share.
 */
export const Trust = z.object({
  trust_id: z.string(),
  /** Who vouches for it: "https://token.actions.githubusercontent.com". */
  issuer: z.string(),
  /** The claim `sub`, such as "repo:octo/app:ref:refs/heads/main"; with `*` at its end, whatever begins like this. */
  subject: z.string(),
  project: ProjectName,
  scopes: z.array(TrustScope),
  daily_cap_usd: Usd,
  created_at: Timestamp,
  last_used_at: Timestamp.nullable(),
})
export type Trust = z.infer<typeof Trust>

export const CreateTrust = z.strictObject({
  issuer: z.url().max(300),
  subject: z
    .string()
    .min(1)
    .max(300)
    .regex(/^[^*\s]+\*?$/, 'without spaces, and with `*` at its end only'),
  /** An existing project. */
  project: ProjectName,
  scopes: z.array(TrustScope).min(1).default(['read', 'deploy']),
  daily_cap_usd: UsdInput.default('1'),
})
export type CreateTrust = z.output<typeof CreateTrust>

export const TrustPage = z.object({ trusts: z.array(Trust), ...nextCursor })

/** A token of an OpenID Connect issuer whose audience is this API's URL. */
export const ExchangeToken = z.strictObject({
  token: z.string().min(1).max(16_384),
  /** Slug of the account, when several trust the same. */
  account: z.string().max(63).optional(),
  /** Of several projects that trust the same, this one. */
  project: ProjectName.optional(),
})

export const ExchangedToken = CreatedToken
