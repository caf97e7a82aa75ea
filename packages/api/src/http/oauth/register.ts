import type { Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import { JackError } from '../../Errors.ts'
import type { Jack } from '../../jack.ts'
import { ClientMetadata } from '../../OAuthClient.ts'
import { OAuthError } from '../../OAuthError.ts'
import { registerClient } from '../../verbs/register-client.ts'
import { readText } from '../body.ts'
import type { Door } from '../Door.ts'
import type { OAuthLimits } from './limits.ts'
import { inOAuth } from './request.ts'

/** Where a client that nobody knows makes itself known (RFC 7591). */
export function registerDoor(app: Hono<Door>, jack: Jack, limits: OAuthLimits): void {
  app.use('/oauth/register', cors())
  app.post(
    '/oauth/register',
    inOAuth(async (c) => {
      await limits.register(c.get('address'))
      const client = await registerClient(jack, metadataOf(await readJson(c)))
      const { clientId, name, redirectUris } = client
      return c.json(
        {
          client_id: clientId,
          client_id_issued_at: Math.floor(jack.now().getTime() / 1_000),
          client_name: name,
          redirect_uris: redirectUris,
          token_endpoint_auth_method: 'none',
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
        },
        201,
      )
    }),
  )
}

function metadataOf(body: unknown): ClientMetadata {
  const parsed = ClientMetadata.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new OAuthError(
    issue?.path[0] === 'redirect_uris' ? 'invalid_redirect_uri' : 'invalid_client_metadata',
    `${issue?.path.join('.')}: ${issue?.message}`,
  )
}

async function readJson(c: Context<Door>): Promise<unknown> {
  try {
    return JSON.parse(await readText(c, 16_384))
  } catch (error) {
    if (error instanceof JackError) throw error
    throw new OAuthError('invalid_client_metadata', 'The body is not JSON.')
  }
}
