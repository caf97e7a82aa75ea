import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Config } from '../Config.ts'
import { JackError } from '../Errors.ts'

/** Sign-in by GitHub: OAuth 2.0 with PKCE, for the name and number of the user and nothing else. */
export interface GitHub {
  /** Where its pages are. */
  origin: string
  /**
   * Where to send a browser, and what to keep until it comes back. No scope is asked for: what everybody can see of the
   * user is enough.
   */
  begin(redirectUri: string): { verifier: string; urlOf(state: string): string }
  /** Who agreed. Throws `unauthorized` when the code is not good, `unavailable` when GitHub does not answer. */
  whoAgreed(it: {
    code: string
    verifier: string
    redirectUri: string
  }): Promise<{ id: string; login: string }>
}

const Granted = z.object({ access_token: z.string().min(1) })
const Refused = z.object({ error: z.string() })
const User = z.object({ id: z.number().int().positive(), login: z.string().min(1).max(100) })

export function openGitHub({
  clientId,
  clientSecret,
  url,
  apiUrl,
}: NonNullable<Config['github']>): GitHub {
  return {
    origin: new URL(url).origin,
    begin(redirectUri) {
      const verifier = randomBytes(32).toString('base64url')
      const query = {
        client_id: clientId,
        redirect_uri: redirectUri,
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
      }
      const urlOf = (state: string) =>
        `${url}/login/oauth/authorize?${new URLSearchParams({ ...query, state })}`
      return { verifier, urlOf }
    },
    async whoAgreed({ code, verifier, redirectUri }) {
      const answer = await ask(`${url}/login/oauth/access_token`, {
        method: 'POST',
        body: new URLSearchParams({
          client_id: clientId,
          client_secret: clientSecret,
          code,
          redirect_uri: redirectUri,
          code_verifier: verifier,
        }),
      })
      // It answers 200 also when it refuses.
      const granted = Granted.safeParse(answer)
      if (!granted.success) {
        const refused = Refused.safeParse(answer)
        if (refused.data?.error === 'incorrect_client_credentials')
          throw unavailable('GitHub does not know this cloud by its client id and secret.')
        throw new JackError('unauthorized', 'GitHub does not confirm who you are.', {
          hint: 'Sign in once more: an answer of GitHub is good for one time and a few minutes.',
        })
      }
      const authorization = `Bearer ${granted.data.access_token}`
      const user = User.safeParse(await ask(`${apiUrl}/user`, { headers: { authorization } }))
      if (!user.success) throw unavailable('GitHub does not say who you are.')
      return { id: String(user.data.id), login: user.data.login }
    },
  }
}

async function ask(url: string, init: RequestInit): Promise<unknown> {
  try {
    const response = await fetch(url, {
      ...init,
      headers: { accept: 'application/json', 'user-agent': 'jack', ...init.headers },
      redirect: 'error',
      signal: AbortSignal.timeout(10_000),
    })
    return await response.json()
  } catch (cause) {
    throw unavailable('GitHub does not answer.', cause)
  }
}

const unavailable = (detail: string, cause?: unknown) =>
  new JackError('unavailable', detail, { hint: 'Try again in a minute.', cause })
