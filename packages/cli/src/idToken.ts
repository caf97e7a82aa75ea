import { JackError } from '@jackcloud/sdk'
import { readStdin } from './ask.ts'

/**
 * The OpenID Connect token of the run of a CI: as given, from stdin for `-`, else GitHub's, made for an audience. Throws
 * `usage` where there is none.
 */
export async function idTokenOf(
  given: string | undefined,
  audience: string,
  signal: AbortSignal,
): Promise<string> {
  if (given === '-') return (await readStdin()).trim()
  if (given !== undefined) return given
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: token } = process.env
  if (!url || !token) {
    throw new JackError('usage', 'Which token of the CI?', {
      hint: 'On GitHub, the job needs `permissions: { id-token: write }`. Elsewhere, pipe it in: --id-token -',
    })
  }
  const asked = new URL(url)
  asked.searchParams.set('audience', audience)
  const response = await fetch(asked, { headers: { authorization: `Bearer ${token}` }, signal })
  const { value } = (await response.json().catch(() => ({}))) as { value?: unknown }
  if (typeof value === 'string') return value
  throw new JackError('bad_answer', `GitHub gave no token: it answered ${response.status}.`, {
    hint: 'The job needs `permissions: { id-token: write }`.',
  })
}
