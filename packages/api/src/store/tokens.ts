import { createHash, randomBytes } from 'node:crypto'
import type { Scope } from '@jackcloud/sdk/wire'
import { sql } from 'kysely'
import type { Payer } from '../Payer.ts'
import type { Resource } from '../Resource.ts'
import type { Db } from './database.ts'

export interface Token {
  tokenId: string
  accountId: string
  name: string
  /** How the secret begins. */
  prefix: string
  scopes: Scope[]
  projectId: string | null
  projectName: string | null
  dailyCapMicroUsd: bigint | null
  /** That got it by OAuth; null for a token that was made by hand. */
  clientId: string | null
  /** What it is good for; null for everything. */
  resource: Resource | null
  createdAt: Date
  /** When it ends for good: a client may get new secrets until then. */
  expiresAt: Date | null
  lastUsedAt: Date | null
}

export interface NewToken {
  tokenId: string
  accountId: string
  name: string
  scopes: readonly Scope[]
  projectId: string | null
  dailyCapMicroUsd: bigint | null
  expiresAt: Date | null
  clientId?: string
  trustId?: string
  resource?: Resource
}

/** A new secret: `jkt_` and 256 random bits. Guessing is hopeless, so a plain SHA-256 of it is kept, not a slow hash. */
export const newSecret = (): string => `jkt_${randomBytes(32).toString('base64url')}`

const secretShape = /^jkt_[A-Za-z0-9_-]{43}$/
/** What is kept of a secret. */
export const hashOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()

/** Stores a token's hash. The secret itself is the caller's to hand over and forget. */
export async function add(db: Db, token: NewToken, secret: string): Promise<void> {
  await db
    .insertInto('token')
    .values({
      token_id: token.tokenId,
      account_id: token.accountId,
      name: token.name,
      prefix: secret.slice(0, 10),
      hash: hashOf(secret),
      scopes: [...token.scopes],
      project_id: token.projectId,
      daily_cap_micro_usd: token.dailyCapMicroUsd,
      expires_at: token.expiresAt,
      client_id: token.clientId ?? null,
      trust_id: token.trustId ?? null,
      resource: token.resource ?? null,
    })
    .execute()
}

/** Whom a secret stands for, until when, and for what; null is for ever, and for everything. */
export interface Authenticated {
  payer: Payer
  expiresAt: Date | null
  resource: Resource | null
}

/**
 * Whose secret this is: undefined when it is unknown, revoked or expired.
 * The look-up is by hash, so its timing tells nothing about a secret.
 */
export async function authenticate(
  db: Db,
  secret: string,
  now: Date,
): Promise<Authenticated | undefined> {
  if (!secretShape.test(secret)) return undefined
  const row = await db
    .selectFrom('token')
    .innerJoin('account', 'account.account_id', 'token.account_id')
    .select([
      'token.token_id',
      'token.account_id',
      'token.scopes',
      'token.project_id',
      'token.daily_cap_micro_usd',
      'token.expires_at',
      'token.last_used_at',
      'token.resource',
      'token.trust_id',
      'account.slug',
    ])
    .where('token.hash', '=', hashOf(secret))
    .where('token.revoked_at', 'is', null)
    .executeTakeFirst()
  if (!row || (row.expires_at && row.expires_at <= now)) return undefined
  if (!row.last_used_at || now.getTime() - row.last_used_at.getTime() > 60_000) {
    await db
      .updateTable('token')
      .set({ last_used_at: now })
      .where('token_id', '=', row.token_id)
      .execute()
  }
  return {
    payer: {
      accountId: row.account_id,
      slug: row.slug,
      scopes: row.scopes,
      tokenId: row.token_id,
      trustId: row.trust_id,
      projectId: row.project_id,
      dailyCapMicroUsd: row.daily_cap_micro_usd,
      funding: { kind: 'balance' },
    },
    expiresAt: row.expires_at,
    resource: row.resource,
  }
}

/** The account's tokens that still work, newest first. */
export async function list(
  db: Db,
  accountId: string,
  page: { limit: number; before?: string | undefined; only?: string | null },
): Promise<Token[]> {
  const rows = await rowsOf(db, accountId)
    .where('token.revoked_at', 'is', null)
    .where((it) =>
      it.or([
        it('token.expires_at', 'is', null),
        it('token.expires_at', '>', sql<Date>`now()`),
        it('token.refresh_until', '>', sql<Date>`now()`),
      ]),
    )
    .$if(page.before !== undefined, (it) => it.where('token.token_id', '<', page.before as string))
    .$if(page.only != null, (it) => it.where('token.project_id', '=', page.only as string))
    .orderBy('token.token_id', 'desc')
    .limit(page.limit)
    .execute()
  return rows.map(toToken)
}

export async function find(db: Db, accountId: string, tokenId: string): Promise<Token | undefined> {
  const row = await rowsOf(db, accountId).where('token.token_id', '=', tokenId).executeTakeFirst()
  return row && toToken(row)
}

/**
 * Ends a token at once. False when the account has no such token.
 *
 * @param only a project: tokens that are not confined to it count as none
 */
export async function revoke(
  db: Db,
  accountId: string,
  tokenId: string,
  now: Date,
  only: string | null = null,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('token')
    .set({ revoked_at: now })
    .where('account_id', '=', accountId)
    .where('token_id', '=', tokenId)
    .where('revoked_at', 'is', null)
    .$if(only !== null, (it) => it.where('project_id', '=', only))
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/** Forgets tokens that were got by trusts, long after they ended. */
export async function forgetExchanged(db: Db, before: Date): Promise<void> {
  await db
    .deleteFrom('token')
    .where('trust_id', 'is not', null)
    .where('expires_at', '<', before)
    .execute()
}

/**
 * Tokens that are confined to a project which moves: they go along, or end. What a client got from the owner by OAuth always
 * ends.
 */
export async function moveConfined(
  db: Db,
  projectId: string,
  it: { accountId: string; end: boolean; now: Date },
): Promise<void> {
  const confined = () =>
    db
      .updateTable('token')
      .where('project_id', '=', projectId)
      .where('account_id', '<>', it.accountId)
      .where('revoked_at', 'is', null)
  await confined()
    .$if(!it.end, (tokens) => tokens.where('client_id', 'is not', null))
    .set({ revoked_at: it.now })
    .execute()
  await confined().set({ account_id: it.accountId }).execute()
}

const rowsOf = (db: Db, accountId: string) =>
  db
    .selectFrom('token')
    .leftJoin('project', 'project.project_id', 'token.project_id')
    .selectAll('token')
    .select('project.name as project_name')
    .where('token.account_id', '=', accountId)

const toToken = (
  row: Awaited<ReturnType<ReturnType<typeof rowsOf>['execute']>>[number],
): Token => ({
  tokenId: row.token_id,
  accountId: row.account_id,
  name: row.name,
  prefix: row.prefix,
  scopes: row.scopes,
  projectId: row.project_id,
  projectName: row.project_name,
  dailyCapMicroUsd: row.daily_cap_micro_usd,
  createdAt: row.created_at,
  clientId: row.client_id,
  resource: row.resource,
  expiresAt: row.refresh_until ?? row.expires_at,
  lastUsedAt: row.last_used_at,
})
