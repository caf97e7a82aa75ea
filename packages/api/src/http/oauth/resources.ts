import type { Context } from 'hono'
import { isLoopback } from '../../Config.ts'
import type { Jack } from '../../jack.ts'
import { type Resource, resourceAt, resourceUrl, usualScopes } from '../../Resource.ts'
import type { Door } from '../Door.ts'

/**
 * The API as its client names it, without a slash at the end. A cloud on this machine answers to every name of loopback,
 * and a client takes nothing of another name than the one it asked; any other cloud has one name.
 */
export function baseOf(c: Context<Door>, { config, urls }: Jack): string {
  const asked = new URL(c.req.url)
  const isOwn = config.publicUrl === undefined && isLoopback(asked.hostname.replace(/[[\]]/g, ''))
  return isOwn ? asked.origin : urls.api.replace(/\/$/, '')
}

/** Where a resource says who makes tokens for it (RFC 9728, section 3.1). */
const metadataUrl = (base: string, resource: Resource): string =>
  resourceUrl(`${base}/.well-known/oauth-protected-resource`, resource)

/**
 * The `WWW-Authenticate` value for whoever comes without a good token, by which a client finds out how to get one
 * (RFC 6750; RFC 9728, section 5.1).
 */
export function bearerChallenge(base: string, path: string): string {
  const resource = resourceAt(path)
  const metadata = `resource_metadata="${metadataUrl(base, resource)}"`
  if (resource === 'api') return `Bearer realm="jack", ${metadata}`
  return `Bearer ${metadata}, scope="${usualScopes.join(' ')}"`
}
