import type { Scope } from '@jackcloud/sdk/wire'
import { lifetimeOf } from '../Grant.ts'
import type { Jack } from '../jack.ts'
import { OAuthError, type OAuthRefusal } from '../OAuthError.ts'
import type { Resource } from '../Resource.ts'
import * as grants from '../store/oauthGrants.ts'
import { endGrant } from './redeem-code.ts'

/** What a client comes with for its next token. */
export interface RefreshRequest {
  clientId: string
  refreshToken: string
  /** What it wants to do with it; null when that is nothing of ours. */
  scopes: readonly Scope[] | null | undefined
  resource: Resource | undefined
}

/**
 * A client changes its refresh token for the next pair. One that comes a second time was stolen, by whoever came first or
 * by whoever comes now: everything that was given ends (RFC 9700, section 4.14.2). The answer never allows more than the
 * person did.
 */
export async function refreshGrant(jack: Jack, it: RefreshRequest): Promise<grants.Issued> {
  const now = jack.now()
  const outcome = await jack.db.transaction().execute(async (db) => {
    const refresh = await grants.findRefresh(db, it.refreshToken, now)
    if (!refresh) return 'invalid_grant'
    if (refresh.wasUsed) return endGrant(db, refresh.tokenId, now)
    const refusal = refusalOf(refresh, it)
    if (refusal) return refusal
    await grants.useRefresh(db, it.refreshToken, now)
    return (
      (await grants.issue(db, refresh.tokenId, now, lifetimeOf(refresh.clientId))) ??
      'invalid_grant'
    )
  })
  if (typeof outcome === 'object') return outcome
  if (outcome === 'ended') {
    jack.payers.forget()
    jack.log.warn({ clientId: it.clientId }, 'a refresh token came twice: its grant is ended')
  }
  const refusal = outcome === 'ended' ? 'invalid_grant' : outcome
  throw new OAuthError(refusal, sentences[refusal])
}

function refusalOf(refresh: grants.Refresh, it: RefreshRequest): Refused | undefined {
  if (refresh.isExpired || refresh.clientId !== it.clientId) return 'invalid_grant'
  if (it.resource !== undefined && it.resource !== refresh.resource) return 'invalid_target'
  if (it.scopes === undefined) return undefined
  const isWithin = it.scopes?.every((scope) => refresh.scopes.includes(scope))
  return isWithin ? undefined : 'invalid_scope'
}

type Refused = Extract<OAuthRefusal, 'invalid_grant' | 'invalid_target' | 'invalid_scope'>

const sentences: Record<Refused, string> = {
  invalid_grant:
    'This refresh token is not good: unknown, too old, used, revoked, or of another client. Sign in again.',
  invalid_target: 'This was given for another resource.',
  invalid_scope: 'This asks for more than was given. Sign in again with the scopes that you need.',
}
