import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import { JackError } from '../Errors.ts'

/** What an issuer says of whoever sent its token. */
export interface Identity {
  issuer: string
  subject: string
}

type Keys = ReturnType<typeof createRemoteJWKSet>

/** Only what is signed with a private key: what verifies must not be able to sign. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA']

/** Nothing that is older is taken, whatever it says itself. */
const longestAge = '1h'

/**
 * OpenID Connect issuers that the operator named (OpenID Connect Discovery 1.0). Their keys are fetched when first needed,
 * and kept as long as jose says.
 */
export class Issuers {
  readonly #names: readonly string[]
  readonly #audience: () => string
  readonly #keys = new Map<string, Promise<Keys>>()

  /** @param audience what tokens have to be made for: our URL */
  constructor(names: readonly string[], audience: () => string) {
    this.#names = names
    this.#audience = audience
  }

  /** Throws `invalid_request` unless tokens of an issuer are looked at here. */
  require(issuer: string): void {
    if (this.#names.includes(issuer)) return
    throw new JackError('invalid_request', 'Tokens of this issuer are not taken here.', {
      hint: `Those of ${this.#names.join(' and ')} are; the operator may add others (JACK_OIDC_ISSUERS).`,
    })
  }

  /** Whom a token stands for. Throws `unauthorized` when it is not valid, `unavailable` when nobody can say. */
  async identify(token: string): Promise<Identity> {
    const issuer = issuerOf(token)
    if (!this.#names.includes(issuer)) throw refused('its issuer is not one that is trusted here')
    const keys = await this.#keysOf(issuer)
    const audience = this.#audience()
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms,
        maxTokenAge: longestAge,
        requiredClaims: ['sub', 'exp', 'iat'],
        clockTolerance: 30,
      })
      return { issuer, subject: payload.sub as string }
    } catch (error) {
      throw problemOf(error, audience)
    }
  }

  #keysOf(issuer: string): Promise<Keys> {
    const known = this.#keys.get(issuer)
    if (known) return known
    const found = discover(issuer)
    this.#keys.set(issuer, found)
    found.catch(() => this.#keys.delete(issuer))
    return found
  }
}

async function discover(issuer: string): Promise<Keys> {
  try {
    const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
      redirect: 'error',
      signal: AbortSignal.timeout(5_000),
    })
    const found = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown }
    if (found.issuer !== issuer) throw new Error('It says that it is another one.')
    return createRemoteJWKSet(new URL(String(found.jwks_uri)), { timeoutDuration: 5_000 })
  } catch (cause) {
    throw unavailable(cause)
  }
}

/** As the token itself says: not to be relied on before it is verified. */
function issuerOf(token: string): string {
  try {
    const [, payload = ''] = token.split('.')
    const { iss } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as JWTPayload
    return String(iss)
  } catch {
    throw refused('it is no JWT')
  }
}

function problemOf(error: unknown, audience: string): JackError {
  if (error instanceof errors.JWTExpired) return refused('it has expired')
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud')
    return refused(`it was not made for this cloud: its audience has to be ${audience}`)
  if (error instanceof errors.JWKSTimeout) return unavailable(error)
  if (error instanceof errors.JOSEError) return refused(error.code)
  return unavailable(error)
}

const refused = (why: string) =>
  new JackError('unauthorized', `The token of the issuer is not taken: ${why}.`, {
    hint: 'Ask the issuer for a new one, with the URL of this API as its audience.',
  })

const unavailable = (cause: unknown) =>
  new JackError('unavailable', 'The issuer of this token does not answer.', {
    retryAfterSeconds: 5,
    cause,
  })
