import { JackError } from '../Errors.ts'
import type { GitHub } from '../identity/github.ts'
import type { Jack } from '../jack.ts'
import { slugsNamed } from '../Slug.ts'
import * as accounts from '../store/accounts.ts'
import * as nonces from '../store/nonces.ts'

const minutes = 15

/** Where the browser goes; it comes back with a `state` that is its own and counts once (RFC 9700, 4.7). */
export async function askGitHub(
  jack: Jack,
  github: GitHub,
  browser: string,
  next: string,
): Promise<string> {
  const expiresAt = new Date(jack.now().getTime() + minutes * 60_000)
  const { verifier, urlOf } = github.begin(redirectUri(jack))
  const { nonce } = await nonces.issue(jack.db, askedOf(browser), expiresAt, () => ({
    verifier,
    next,
  }))
  return urlOf(nonce)
}

/** The account of who came back, and where to go on. Throws `unauthorized`, `unavailable`. */
export async function signInByGitHub(
  jack: Jack,
  github: GitHub,
  browser: string,
  it: { state: string; code: string | undefined },
): Promise<{ accountId: string; next: string }> {
  const detail = await nonces.take(jack.db, askedOf(browser), it.state, jack.now())
  if (!detail) {
    throw new JackError('unauthorized', 'This browser did not ask GitHub for that.', {
      hint: `Sign in once more. It has to end within ${minutes} minutes, in the browser where it began.`,
    })
  }
  const { verifier = '', next = '/' } = detail
  if (it.code === undefined)
    throw new JackError('unauthorized', 'GitHub says that you did not agree.')
  const { code } = it
  const { id, login } = await github.whoAgreed({ code, verifier, redirectUri: redirectUri(jack) })
  // Logins change hands; the number never does.
  const { accountId } = await accounts.ensurePerson(jack.db, {
    accountId: jack.newId('acc'),
    provider: github.origin,
    subject: id,
    slugs: slugsNamed(login, `${github.origin} ${id}`, jack.sha256),
  })
  return { accountId, next }
}

const askedOf = (browser: string) => ({ purpose: 'github', boundTo: browser }) as const

const redirectUri = ({ urls }: Jack): string => `${urls.api}/sign-in/github/callback`
