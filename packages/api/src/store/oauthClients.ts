import { sql } from 'kysely'
import type { OAuthClient } from '../OAuthClient.ts'
import type { Db } from './database.ts'

/** Keeps a client that registered itself. */
export async function add(db: Db, client: OAuthClient): Promise<void> {
  await db
    .insertInto('oauth_client')
    .values({
      client_id: client.clientId,
      name: client.name,
      redirect_uris: [...client.redirectUris],
    })
    .execute()
}

export async function find(db: Db, clientId: string): Promise<OAuthClient | undefined> {
  const row = await db
    .selectFrom('oauth_client')
    .selectAll()
    .where('client_id', '=', clientId)
    .executeTakeFirst()
  return (
    row && {
      clientId: row.client_id,
      name: row.name,
      host: null,
      redirectUris: row.redirect_uris,
    }
  )
}

/** Somebody trusted it with something. */
export async function touch(db: Db, clientId: string, now: Date): Promise<void> {
  await db
    .updateTable('oauth_client')
    .set({ used_at: now })
    .where('client_id', '=', clientId)
    .execute()
}

/** Forgets clients that nobody trusted since, or ever. */
export async function forgetOld(
  db: Db,
  { unusedSince, neverUsedSince }: { unusedSince: Date; neverUsedSince: Date },
): Promise<void> {
  await db
    .deleteFrom('oauth_client')
    .where(sql<boolean>`coalesce(used_at < ${unusedSince}, created_at < ${neverUsedSince})`)
    .execute()
}
