import type { Scope } from '@jackcloud/sdk/wire'
import type { ColumnType } from 'kysely'
import type { Resource } from '../Resource.ts'

/** The tables of migration 0013, as kysely sees them. Hashes are those of secrets. */
export interface OAuthTables {
  oauth_client: {
    client_id: string
    name: string
    redirect_uris: string[]
    created_at: ColumnType<Date, Date | undefined, Date>
    used_at: Date | null
  }
  oauth_code: {
    hash: Buffer
    token_id: string
    redirect_uri: string
    challenge: string
    expires_at: Date
    used_at: Date | null
  }
  oauth_refresh: { hash: Buffer; token_id: string; expires_at: Date; used_at: Date | null }
  oauth_device: {
    hash: Buffer
    user_code: string
    client_id: string
    client_name: string
    device_name: string | null
    resource: Resource
    scopes: Scope[]
    expires_at: Date
    interval_seconds: number
    polled_at: Date | null
    denied: ColumnType<boolean, boolean | undefined, boolean>
    token_id: string | null
  }
}
