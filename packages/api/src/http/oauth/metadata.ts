import { scopes } from '@jackcloud/sdk/wire'
import type { Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import type { Jack } from '../../jack.ts'
import { type Resource, resourceUrl, usualScopes } from '../../Resource.ts'
import type { Door } from '../Door.ts'
import { cacheControl } from '../openapi.ts'
import { baseOf, issuerOf } from './resources.ts'

/** How a client that knows nothing but a URL finds out where and how to sign in. Everybody may read it, also from a web page. */
export function metadataDoor(app: Hono<Door>, jack: Jack): void {
  app.use('/.well-known/oauth-*', cors())

  const resource = (it: Resource) => (c: Context<Door>) => {
    const base = baseOf(c, jack)
    return c.json(resourceMetadata(base, it, issuerOf(jack)), 200, {
      'cache-control': cacheControl,
      vary: 'host',
    })
  }
  app.get('/.well-known/oauth-protected-resource', resource('api'))
  app.get('/.well-known/oauth-protected-resource/mcp', resource('mcp'))

  app.get('/.well-known/oauth-authorization-server', (c) =>
    c.json(serverMetadata(issuerOf(jack)), 200, { 'cache-control': cacheControl }),
  )
}

/** RFC 9728, section 2. */
const resourceMetadata = (base: string, it: Resource, issuer: string) => ({
  resource: resourceUrl(base, it),
  resource_name: it === 'mcp' ? 'Jack (MCP)' : 'Jack',
  authorization_servers: [issuer],
  scopes_supported: it === 'mcp' ? usualScopes : scopes,
  bearer_methods_supported: ['header'],
})

/** RFC 8414, section 2. */
const serverMetadata = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/oauth/authorize`,
  token_endpoint: `${issuer}/oauth/token`,
  registration_endpoint: `${issuer}/oauth/register`,
  revocation_endpoint: `${issuer}/oauth/revoke`,
  device_authorization_endpoint: `${issuer}/oauth/device_authorization`,
  scopes_supported: scopes,
  response_types_supported: ['code'],
  response_modes_supported: ['query'],
  grant_types_supported: [
    'authorization_code',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
  ],
  token_endpoint_auth_methods_supported: ['none'],
  revocation_endpoint_auth_methods_supported: ['none'],
  code_challenge_methods_supported: ['S256'],
  authorization_response_iss_parameter_supported: true,
  client_id_metadata_document_supported: true,
})
