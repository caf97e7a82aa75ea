import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { JackError } from '@jackcloud/sdk'
import { scopes } from '@jackcloud/sdk/wire'
import { fetchHere } from '../session.ts'

/** Where a cloud lets programs in (RFC 8414). All of it is at the cloud itself. */
export interface AuthorizationServer {
  issuer: string
  /** What the token is for. */
  resource: string
  authorization_endpoint: string
  token_endpoint: string
  revocation_endpoint: string
  device_authorization_endpoint: string
}

/** By what the command line is known to every cloud. */
export const clientId = 'jack-cli'

/** Finds out where a cloud lets programs in. Throws `bad_answer` when it sends elsewhere: the browser would follow. */
export async function discover(url: string, signal: AbortSignal): Promise<AuthorizationServer> {
  const at = async (base: string, what: string) =>
    (await ask(`${base}/.well-known/${what}`, { signal })).json
  const { resource, authorization_servers } = await at(url, 'oauth-protected-resource')
  const issuer = String((authorization_servers as unknown[] | undefined)?.[0] ?? '')
  const isSound =
    resource === url && URL.canParse(issuer) && sameServer(new URL(issuer), new URL(url))
  const found = isSound ? await at(issuer, 'oauth-authorization-server') : {}
  const endpoints = ['authorization', 'token', 'revocation', 'device_authorization']
  const isOwn = endpoints.every((it) => String(found[`${it}_endpoint`]).startsWith(`${issuer}/`))
  if (isSound && found.issuer === issuer && isOwn)
    return { ...(found as unknown as AuthorizationServer), resource: url }
  throw new JackError('bad_answer', `${url} does not say how to sign in there.`, {
    hint: 'Is this the URL of a Jack Cloud, and the one that it calls itself?',
    next: [{ command: 'jack login --token -', when: 'to sign in with a token that you have' }],
  })
}

/** The same origin, or two names of this machine. */
const sameServer = (one: URL, other: URL): boolean =>
  one.origin === other.origin ||
  (one.protocol === other.protocol && one.port === other.port && isHere(one) && isHere(other))

const isHere = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]'

/** What the command line asks for: everything, under the name of this machine. */
export const asked = ({ resource }: AuthorizationServer): Record<string, string> => ({
  client_id: clientId,
  scope: scopes.join(' '),
  resource,
  device_name: hostname(),
})

/** What only the one who began can give (RFC 7636). */
export function newProof(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

/** An answer in JSON. Throws `network` without one, and `bad_answer` when it is none. */
export async function ask(
  url: string,
  { form, signal }: { form?: Record<string, string>; signal: AbortSignal },
): Promise<{ ok: boolean; json: Record<string, unknown> }> {
  const response = await fetchHere(url, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
    redirect: 'error',
    ...(form && { method: 'POST', body: new URLSearchParams(form) }),
  }).catch((cause) => {
    signal.throwIfAborted()
    const { origin } = new URL(url)
    throw new JackError('network', `${origin} could not be reached.`, {
      hint: 'Is the URL right, and does the cloud run?',
      fields: { url: origin },
      cause,
    })
  })
  const text = await response.text()
  try {
    return { ok: response.ok, json: text === '' ? {} : JSON.parse(text) }
  } catch (cause) {
    throw new JackError('bad_answer', `${url} answered something that is not JSON.`, {
      hint: 'Is this the URL of a Jack Cloud?',
      cause,
    })
  }
}

/** The token that something is changed for. Throws what the cloud says against it. */
export async function requestToken(
  server: AuthorizationServer,
  form: Record<string, string>,
  signal: AbortSignal,
): Promise<string> {
  const { ok, json } = await ask(server.token_endpoint, {
    form: { client_id: clientId, ...form },
    signal,
  })
  if (ok && typeof json.access_token === 'string') return json.access_token
  throw refusalOf(json)
}

/** What an answer of OAuth says, in our words. `oauth` is its code. */
export function refusalOf(json: Record<string, unknown>): JackError {
  const oauth = String(json.error ?? json.code ?? 'unknown')
  const again = { command: 'jack login', when: 'to try again' }
  if (oauth === 'access_denied')
    return new JackError('forbidden', 'You did not allow it in the browser.', { next: [again] })
  if (oauth === 'expired_token')
    return new JackError('timeout', 'The code was not used in time.', { next: [again] })
  const said = String(json.error_description ?? json.detail ?? oauth).slice(0, 300)
  return new JackError('unauthorized', `The cloud does not let this in: ${said}`, {
    next: [again],
    fields: { oauth },
  })
}
