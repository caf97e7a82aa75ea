import { lifetimeOf } from '../Grant.ts'
import type { Jack } from '../jack.ts'
import { OAuthError } from '../OAuthError.ts'
import type { Resource } from '../Resource.ts'
import type { Db } from '../store/database.ts'
import { tokenRevoked } from '../store/notices.ts'
import * as grants from '../store/oauthGrants.ts'

/** What a client comes with for its token. */
export interface CodeRequest {
  clientId: string
  code: string
  /** Of the challenge that it asked with (RFC 7636). */
  verifier: string
  redirectUri: string | undefined
  resource: Resource | undefined
}

/**
 * A client changes its code for a token. A code is good for one attempt, by the client that asked for it, with the proof
 * that it is that one (RFC 7636). Whoever comes with it again ends what it brought: one of the two had stolen it
 * (RFC 6749, section 4.1.2).
 */
export async function redeemCode(jack: Jack, it: CodeRequest): Promise<grants.Issued> {
  const now = jack.now()
  const outcome = await jack.db.transaction().execute(async (db) => {
    const code = await grants.useCode(db, it.code, now)
    if (!code) return undefined
    if (code.wasUsed) return endGrant(db, code.tokenId, now)
    if (code.isExpired || !isFor(code, it)) return undefined
    return grants.issue(db, code.tokenId, now, lifetimeOf(code.clientId))
  })
  if (typeof outcome === 'object') return outcome
  if (outcome === 'ended') {
    jack.payers.forget()
    jack.log.warn({ clientId: it.clientId }, 'a code came twice: what it brought is ended')
  }
  throw new OAuthError(
    'invalid_grant',
    'This code is not good: unknown, too old, used, or made for another client, redirect URI, resource or verifier.',
  )
}

const isFor = (code: grants.Code, it: CodeRequest): boolean =>
  code.clientId === it.clientId &&
  grants.proves(it.verifier, code) &&
  (it.redirectUri === undefined || it.redirectUri === code.redirectUri) &&
  (it.resource === undefined || it.resource === code.resource)

/** Ends a grant on every replica, once the transaction commits; on this one, `payers.forget` does. */
export async function endGrant(db: Db, tokenId: string, now: Date): Promise<'ended'> {
  if (await grants.revoke(db, tokenId, now)) await tokenRevoked(db)
  return 'ended'
}
