import type { Context } from 'hono'
import type { Jack } from '../../jack.ts'
import { OAuthError } from '../../OAuthError.ts'
import type { Resource } from '../../Resource.ts'
import { readText } from '../body.ts'
import type { Door } from '../Door.ts'
import { resourceNamed } from './resources.ts'

/** Parameters of a request, each of which is there once or not at all. */
export type Parameters = Readonly<Record<string, string | undefined>>

/**
 * Parameters by name; those without a value count as left out. Throws `invalid_request` when one is there twice
 * (RFC 6749, section 3.1): two readers could take a different one each.
 */
export function parametersOf(search: URLSearchParams): Parameters {
  const found: Record<string, string> = Object.create(null)
  for (const [name, value] of search) {
    if (name in found)
      throw new OAuthError(
        name === 'resource' ? 'invalid_target' : 'invalid_request',
        `"${name.slice(0, 40)}" is there twice.`,
      )
    found[name] = value
  }
  for (const name of Object.keys(found)) if (found[name] === '') delete found[name]
  return found
}

/** What a client sends as a form (RFC 6749, appendix B). */
export async function readParameters(c: Context<Door>): Promise<Parameters> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded')
    throw new OAuthError('invalid_request', 'Send application/x-www-form-urlencoded.')
  return parametersOf(new URLSearchParams(await readText(c, 16_384)))
}

/** A parameter that must be there. */
export function need(parameters: Parameters, name: string): string {
  const value = parameters[name]
  if (value !== undefined) return value
  throw new OAuthError('invalid_request', `"${name}" is missing.`)
}

/** Who says to be asking. Nobody can prove it: whatever is given is bound to more than that. */
export function clientIdOf(c: Context<Door>, parameters: Parameters): string {
  if (c.req.header('authorization') === undefined && parameters.client_secret === undefined)
    return need(parameters, 'client_id')
  throw new OAuthError('invalid_client', 'Clients have no secrets here: send "client_id" alone.')
}

/** The resource that is named (RFC 8707), if one is. Throws `invalid_target` for one that is not ours. */
export function namedResource(jack: Jack, { resource }: Parameters): Resource | undefined {
  if (resource === undefined) return undefined
  const known = resourceNamed(resource, jack)
  if (known) return known
  throw new OAuthError('invalid_target', 'This server makes no tokens for that resource.')
}

/** Answers, or says what is wrong, in the words of OAuth (RFC 6749, section 5). Nothing is kept by anybody between. */
export const inOAuth =
  (handle: (c: Context<Door>) => Promise<Response>) =>
  async (c: Context<Door>): Promise<Response> => {
    c.header('cache-control', 'no-store')
    c.header('pragma', 'no-cache')
    try {
      return await handle(c)
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error
      return c.json(
        { error: error.code, error_description: error.message.replaceAll('"', "'") },
        error.code === 'invalid_client' ? 401 : 400,
      )
    }
  }
