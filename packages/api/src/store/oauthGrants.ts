import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Scope } from '@jackcloud/sdk/wire'
import type { Resource } from '../Resource.ts'
import type { Db } from './database.ts'
import { hashOf, newSecret } from './tokens.ts'

/** What goes with a secret that a client presents: all of it is of the row of `token` that is the grant. */
interface Grant {
  tokenId: string
  clientId: string
  resource: Resource
  scopes: readonly Scope[]
}

export interface Code extends Grant {
  redirectUri: string
  challenge: string
  isExpired: boolean
  /** Somebody came with it before. */
  wasUsed: boolean
}

export interface Refresh extends Grant {
  isExpired: boolean
  wasUsed: boolean
}

/** What a client gets. The secrets are told once and kept as hashes. */
export interface Issued {
  accessToken: string
  expiresInSeconds: number
  refreshToken: string | null
  scopes: readonly Scope[]
}

const secretOf = (prefix: string): string => `${prefix}_${randomBytes(32).toString('base64url')}`

/** Answers a new code for a grant. */
export async function addCode(
  db: Db,
  it: { tokenId: string; redirectUri: string; challenge: string; expiresAt: Date },
): Promise<string> {
  const code = secretOf('jkc')
  await db
    .insertInto('oauth_code')
    .values({
      hash: hashOf(code),
      token_id: it.tokenId,
      redirect_uri: it.redirectUri,
      challenge: it.challenge,
      expires_at: it.expiresAt,
    })
    .execute()
  return code
}

/** Finds a code and uses it up, for better or worse. In a transaction: two that come at once come one after the other. */
export async function useCode(db: Db, code: string, now: Date): Promise<Code | undefined> {
  const row = await db
    .selectFrom('oauth_code')
    .innerJoin('token', 'token.token_id', 'oauth_code.token_id')
    .select(['token.token_id', 'client_id', 'resource', 'scopes', 'redirect_uri', 'challenge'])
    .select(['oauth_code.expires_at', 'used_at'])
    .where('oauth_code.hash', '=', hashOf(code))
    .forUpdate('oauth_code')
    .executeTakeFirst()
  if (!row) return undefined
  await db
    .updateTable('oauth_code')
    .set({ used_at: now })
    .where('hash', '=', hashOf(code))
    .where('used_at', 'is', null)
    .execute()
  return {
    ...toGrant(row),
    redirectUri: row.redirect_uri,
    challenge: row.challenge,
    isExpired: row.expires_at <= now,
    wasUsed: row.used_at !== null,
  }
}

/** Whether a verifier is the one that a code's challenge was made of (RFC 7636, section 4.6). */
export function proves(verifier: string, { challenge }: Code): boolean {
  const [made, asked] = [createHash('sha256').update(verifier).digest('base64url'), challenge]
  return made.length === asked.length && timingSafeEqual(Buffer.from(made), Buffer.from(asked))
}

/** Finds a refresh token, and lets no other transaction have it meanwhile. */
export async function findRefresh(
  db: Db,
  refreshToken: string,
  now: Date,
): Promise<Refresh | undefined> {
  const row = await db
    .selectFrom('oauth_refresh')
    .innerJoin('token', 'token.token_id', 'oauth_refresh.token_id')
    .select(['token.token_id', 'client_id', 'resource', 'scopes'])
    .select(['oauth_refresh.expires_at', 'used_at'])
    .where('oauth_refresh.hash', '=', hashOf(refreshToken))
    .forUpdate('oauth_refresh')
    .executeTakeFirst()
  return row && { ...toGrant(row), isExpired: row.expires_at <= now, wasUsed: row.used_at !== null }
}

export async function useRefresh(db: Db, refreshToken: string, now: Date): Promise<void> {
  await db
    .updateTable('oauth_refresh')
    .set({ used_at: now })
    .where('hash', '=', hashOf(refreshToken))
    .execute()
}

/**
 * Gives a grant its next secret; the one before is worth nothing from now on. Undefined when the grant was revoked.
 * The row stays, and with it the id that a daily cap counts by.
 */
export async function issue(
  db: Db,
  tokenId: string,
  now: Date,
  { accessMs, refreshMs }: { accessMs: number; refreshMs: number | null },
): Promise<Issued | undefined> {
  const accessToken = newSecret()
  const after = (ms: number) => new Date(now.getTime() + ms)
  const row = await db
    .updateTable('token')
    .set({
      hash: hashOf(accessToken),
      prefix: accessToken.slice(0, 10),
      expires_at: after(accessMs),
      refresh_until: refreshMs === null ? null : after(refreshMs),
    })
    .where('token_id', '=', tokenId)
    .where('revoked_at', 'is', null)
    .returning('scopes')
    .executeTakeFirst()
  if (!row) return undefined
  const refreshToken = refreshMs === null ? null : secretOf('jkr')
  if (refreshToken !== null && refreshMs !== null)
    await db
      .insertInto('oauth_refresh')
      .values({
        hash: hashOf(refreshToken),
        token_id: tokenId,
        expires_at: after(refreshMs),
        used_at: null,
      })
      .execute()
  return {
    accessToken,
    expiresInSeconds: accessMs / 1_000,
    refreshToken,
    scopes: row.scopes,
  }
}

/** Ends what a client got. False when it had ended before. */
export async function revoke(db: Db, tokenId: string, now: Date): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('token')
    .set({ revoked_at: now })
    .where('token_id', '=', tokenId)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** The grant that an access or refresh token is of. Undefined for a token that was made by hand. */
export async function findBySecret(
  db: Db,
  secret: string,
): Promise<{ tokenId: string; clientId: string } | undefined> {
  const row = await db
    .selectFrom('token')
    .leftJoin('oauth_refresh', 'oauth_refresh.token_id', 'token.token_id')
    .select(['token.token_id', 'client_id'])
    .where('client_id', 'is not', null)
    .where((it) =>
      it.or([it('token.hash', '=', hashOf(secret)), it('oauth_refresh.hash', '=', hashOf(secret))]),
    )
    .executeTakeFirst()
  return row && { tokenId: row.token_id, clientId: row.client_id as string }
}

/** Forgets secrets that ended before `then`, and grants for whose first secret nobody came. */
export async function forgetOld(db: Db, then: Date): Promise<void> {
  await db
    .deleteFrom('token')
    .using('oauth_code')
    .whereRef('oauth_code.token_id', '=', 'token.token_id')
    .where('oauth_code.used_at', 'is', null)
    .where('oauth_code.expires_at', '<', then)
    .execute()
  await db.deleteFrom('oauth_code').where('expires_at', '<', then).execute()
  await db.deleteFrom('oauth_refresh').where('expires_at', '<', then).execute()
}

const toGrant = (row: {
  token_id: string
  client_id: string | null
  resource: Resource | null
  scopes: Scope[]
}): Grant => ({
  tokenId: row.token_id,
  clientId: row.client_id as string,
  resource: row.resource as Resource,
  scopes: row.scopes,
})
