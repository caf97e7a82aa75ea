import type { Context, Hono } from 'hono'
import { JackError } from '../../Errors.ts'
import { type Ask, scopesOf } from '../../Grant.ts'
import type { Jack } from '../../jack.ts'
import {
  ClientName,
  commandLine,
  isDocumentUrl,
  isRegistered,
  type OAuthClient,
} from '../../OAuthClient.ts'
import { OAuthError } from '../../OAuthError.ts'
import { maxLength } from '../../OwnPath.ts'
import { findClient } from '../../verbs/find-client.ts'
import { grantCode } from '../../verbs/grant-access.ts'
import type { Door } from '../Door.ts'
import { readForm, signedIn, signInUrl } from '../signedIn.ts'
import { consentPage, decisionOf } from './consent.ts'
import type { OAuthLimits } from './limits.ts'
import { namedResource, type Parameters, parametersOf } from './request.ts'
import { issuerOf } from './resources.ts'

/** Where a client sends a person, and from where the person comes back with a code (RFC 6749, section 4.1). */
export function authorizeDoor(app: Hono<Door>, jack: Jack, limits: OAuthLimits): void {
  const path = '/oauth/authorize'

  app.get(path, async (c) => {
    const { search } = new URL(c.req.url)
    if (path.length + search.length > maxLength) throw refused('This request is too long.')
    const account = await signedIn(c, jack)
    // Nobody makes this server ask another one for a client's metadata before he has said who he is.
    if (!account) return c.redirect(signInUrl(path + search), 303)
    return answering(c, jack, limits, search, async ({ client, redirectUri, ask }) =>
      consentPage(c, jack, {
        account,
        client,
        redirectUri,
        ask,
        hidden: { request: search },
        here: path + search,
      }),
    )
  })

  app.post(path, async (c) => {
    const form = await readForm(c, jack)
    const account = await requireSignedIn(c, jack)
    const request = form.get('request') ?? ''
    return answering(
      c,
      jack,
      limits,
      request,
      async ({ client, redirectUri, challenge, state, ask }) => {
        const decision = decisionOf(form, ask)
        if (decision.kind === 'deny') throw new OAuthError('access_denied', 'The person said no.')
        if (decision.kind === 'unclear') {
          const { problem } = decision
          const shown = {
            account,
            client,
            redirectUri,
            ask,
            hidden: { request },
            here: path + request,
          }
          return consentPage(c, jack, { ...shown, problem })
        }
        const { terms } = decision
        const { accountId } = account
        const proof = { redirectUri, challenge }
        const { tokenId, code } = await grantCode(jack, accountId, ask, terms, proof)
        c.set('deed', { accountId, tokenId, operation: 'letIn', project: terms.project })
        return goBack(c, jack, { redirectUri, state }, { code })
      },
    )
  })
}

/** Who decides. Throws when nobody is signed in any more. */
export async function requireSignedIn(c: Context<Door>, jack: Jack) {
  const account = await signedIn(c, jack)
  if (account) return account
  throw new JackError('unauthorized', 'You are not signed in any more.', {
    hint: 'Go back, load the page again, and sign in.',
  })
}

/** Where to answer to. */
interface WayBack {
  redirectUri: string
  state: string | undefined
}

interface AuthorizationRequest extends WayBack {
  client: OAuthClient
  /** sha256 of what the client proves itself with later, in base64url (RFC 7636). */
  challenge: string
  ask: Ask
}

/**
 * Reads what a client asks, and lets it be answered. Until it is known where the client is, mistakes are told to the person
 * and to nobody else: a browser is sent to no address that the client did not register.
 */
async function answering(
  c: Context<Door>,
  jack: Jack,
  limits: OAuthLimits,
  search: string,
  answer: (request: AuthorizationRequest) => Promise<Response>,
): Promise<Response> {
  const parameters = readOnce(search)
  const clientId = parameters.client_id ?? ''
  if (isDocumentUrl(clientId)) await limits.document(c.get('address'))
  const client = await findClient(jack, clientId)
  if (!client)
    throw refused(
      'This program is not known here.',
      'It has to register itself, or has to say where its metadata is.',
    )
  const redirectUri = parameters.redirect_uri ?? ''
  if (!isRegistered(client, redirectUri))
    throw refused(
      'This program wants to be answered at an address that it did not register.',
      'Somebody else may have made this link: nothing was sent there.',
    )
  const wayBack = { redirectUri, state: parameters.state }
  try {
    const challenge = challengeOf(parameters)
    return await answer({
      client,
      ...wayBack,
      challenge,
      ask: askOf(jack, client, parameters),
    })
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    return goBack(c, jack, wayBack, { error: error.code, error_description: error.message })
  }
}

function readOnce(search: string): Parameters {
  try {
    return parametersOf(new URLSearchParams(search))
  } catch (error) {
    throw refused((error as Error).message)
  }
}

const refused = (detail: string, hint?: string) =>
  new JackError('invalid_request', detail, hint === undefined ? {} : { hint })

/** Without a proof that only the one who began can give, a stolen code would be worth a token. */
function challengeOf(parameters: Parameters): string {
  if (parameters.response_type !== 'code')
    throw new OAuthError('unsupported_response_type', '"response_type" is "code".')
  const { code_challenge: challenge, code_challenge_method: method } = parameters
  if (method === 'S256' && challenge !== undefined && /^[A-Za-z0-9_-]{43}$/.test(challenge))
    return challenge
  throw new OAuthError('invalid_request', 'PKCE is needed: "code_challenge" with the method S256.')
}

/** What is asked for. Who does not say for what asks for the MCP server alone. */
export function askOf(jack: Jack, client: OAuthClient, parameters: Parameters): Ask {
  const scopes = scopesOf(parameters.scope)
  if (!scopes) throw new OAuthError('invalid_scope', 'None of these scopes is known here.')
  const named = ClientName.parse(parameters.device_name ?? '')
  return {
    clientId: client.clientId,
    clientName: client.name,
    deviceName: client.clientId === commandLine.clientId && named !== '' ? named : null,
    resource: namedResource(jack, parameters) ?? 'mcp',
    scopes,
  }
}

/** Sends the browser back to the client, with its `state` and with our name: an answer of another server is not taken for ours (RFC 9207). */
function goBack(
  c: Context<Door>,
  jack: Jack,
  { redirectUri, state }: WayBack,
  answer: Record<string, string>,
): Response {
  const url = new URL(redirectUri)
  const all = { ...answer, ...(state !== undefined && { state }), iss: issuerOf(jack) }
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value)
  c.header('cache-control', 'no-store')
  c.header('referrer-policy', 'no-referrer')
  return c.redirect(url.href, 303)
}
