import type { Context } from 'hono'
import { isLoopback } from '../../Config.ts'
import type { Jack } from '../../jack.ts'
import { type Resource, resourceAt, resourceOf, resourceUrl, usualScopes } from '../../Resource.ts'
import type { Door } from '../Door.ts'

/** Who makes tokens (RFC 8414, `issuer`): the API under its one name, which is also the one that browsers sign in under. */
export const issuerOf = ({ urls }: Jack): string => urls.api.replace(/\/$/, '')

/**
 * The API as its client names it, without a slash at the end. On this machine it answers to every name of loopback, and a
 * client takes nothing of another name than the one it asked; elsewhere it has one name.
 */
export function baseOf(c: Context<Door>, jack: Jack): string {
  const { origin } = new URL(c.req.url)
  return isOwnName(origin, jack) ? origin : issuerOf(jack)
}

/** The resource of a URL (RFC 8707), by any name that the API answers to; undefined when it is none of its own. */
export function resourceNamed(url: string, jack: Jack): Resource | undefined {
  const origin = URL.canParse(url) ? new URL(url).origin : ''
  return resourceOf(isOwnName(origin, jack) ? origin : issuerOf(jack), url)
}

function isOwnName(origin: string, { config, urls }: Jack): boolean {
  if (config.publicUrl !== undefined || !URL.canParse(origin)) return false
  const [asked, own] = [new URL(origin), new URL(urls.api)]
  // On another port is another server, which must get no token of ours.
  const isHere = asked.protocol === own.protocol && asked.port === own.port
  return isHere && [asked, own].every(({ hostname }) => isLoopback(hostname.replace(/[[\]]/g, '')))
}

/** Where a resource says who makes tokens for it (RFC 9728, section 3.1). */
const metadataUrl = (base: string, resource: Resource): string =>
  resourceUrl(`${base}/.well-known/oauth-protected-resource`, resource)

/**
 * The `WWW-Authenticate` value for whoever comes without a good token, by which a client finds out how to get one
 * (RFC 6750, section 3; RFC 9728, section 5.1).
 *
 * @param hadToken it came with one
 */
export function bearerChallenge(base: string, path: string, hadToken: boolean): string {
  const resource = resourceAt(path)
  const parameters = [
    'realm="jack"',
    ...(hadToken ? ['error="invalid_token"'] : []),
    `resource_metadata="${metadataUrl(base, resource)}"`,
    ...(resource === 'mcp' ? [`scope="${usualScopes.join(' ')}"`] : []),
  ]
  return `Bearer ${parameters.join(', ')}`
}
