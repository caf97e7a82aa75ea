import { z } from 'zod'

/** A program that asks people for access. All of them are public clients: none can keep a secret (RFC 6749, section 2.1). */
export interface OAuthClient {
  clientId: string
  /** What it calls itself. Nobody checked that. */
  name: string
  /** Who vouches for it: the host that its metadata came from. Null when nobody does. */
  host: string | null
  redirectUris: readonly string[]
}

/** `jack login`. */
export const commandLine: OAuthClient = {
  clientId: 'jack-cli',
  name: 'jack (command line)',
  host: null,
  redirectUris: ['http://127.0.0.1/callback', 'http://[::1]/callback'],
}

/** Names of one line, without what turns the direction of text. */
export const ClientName = z
  .string()
  .transform((it) => [...it.replace(/[\p{C}\p{Z}]+/gu, ' ').trim()].slice(0, 60).join(''))

const RedirectUri = z
  .string()
  .max(500)
  .refine(
    isRedirectUri,
    'a redirect URI is https, http on loopback, or of a scheme of your own; without a fragment',
  )

/** What a client says of itself, at its registration (RFC 7591, section 2) or in a document of its own. */
export const ClientMetadata = z.object({
  client_name: ClientName.optional(),
  redirect_uris: z.array(RedirectUri).min(1).max(10),
})
export type ClientMetadata = z.output<typeof ClientMetadata>

/**
 * Whether a browser may be sent there with a code: https, http to this machine (RFC 8252, section 7.3), or a scheme that
 * an app has to itself (section 7.1). Nothing that a browser runs or opens by itself.
 */
export function isRedirectUri(text: string): boolean {
  if (!URL.canParse(text) || /[\s\\]/.test(text)) return false
  const url = new URL(text)
  if (text.includes('#') || url.username !== '' || url.password !== '') return false
  if (url.protocol === 'https:') return true
  if (url.protocol === 'http:') return isLoopbackUrl(url)
  return /^[a-z][a-z0-9+.-]+:$/.test(url.protocol) && !harmful.test(url.protocol)
}

/** Schemes that are nobody's own: run by the browser, or by a program that comes with the system. */
const harmful =
  /^(javascript|data|vbscript|file|blob|about|filesystem|view-source|ftp|wss?|mailto|tel|sms|intent|jar|resource|chrome.*|moz-.*|edge|safari.*|ms-.*|search.*|ldap|ssh|telnet|smb|nfs|afp|x-apple.*|shell|help|hcp):$/

const isLoopbackUrl = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]'

/**
 * Whether a client registered a redirect URI: character by character, but for the port of http on loopback, which a program
 * gets when it starts (RFC 8252, section 7.3).
 */
export const isRegistered = (client: OAuthClient, asked: string): boolean =>
  isRedirectUri(asked) &&
  client.redirectUris.some((it) => it === asked || portless(it) === portless(asked))

/** The same for all ports of loopback; of any other URI something that is equal to nothing. */
function portless(uri: string): string | symbol {
  const url = new URL(uri)
  if (url.protocol !== 'http:' || !isLoopbackUrl(url)) return Symbol(uri)
  url.port = ''
  return url.href
}

/** Whether an id is the address of a client's metadata (Client ID Metadata Documents, section 3). */
export function isDocumentUrl(clientId: string): boolean {
  if (clientId.length > 300 || !URL.canParse(clientId)) return false
  const url = new URL(clientId)
  return (
    url.protocol === 'https:' &&
    // Written as it would be sent: one spelling, no dots that go up, no other host behind an "@".
    url.href === clientId &&
    url.pathname.length > 1 &&
    url.username === '' &&
    url.password === '' &&
    !clientId.includes('#')
  )
}
