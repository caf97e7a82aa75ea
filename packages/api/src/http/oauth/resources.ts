import { scopes } from '@jackcloud/sdk/wire'

/** Paths of what access tokens are made for (RFC 8707): the API itself, and its MCP server. */
export const resources = { api: '', mcp: '/mcp' } as const

/** Where a resource says who makes tokens for it (RFC 9728, section 3.1). */
export const metadataPath = (resource: string): string =>
  `/.well-known/oauth-protected-resource${resource}`

/** What an MCP client asks a person for. Who wants more says so. */
export const mcpScopes = scopes.filter((it) => it !== 'admin')

/** The `WWW-Authenticate` value for whoever comes without a good token (RFC 6750, RFC 9728 section 5.1). */
export function bearerChallenge(api: string, path: string): string {
  if (path !== resources.mcp) return 'Bearer realm="jack"'
  return `Bearer resource_metadata="${api}${metadataPath(resources.mcp)}", scope="${mcpScopes.join(' ')}"`
}
