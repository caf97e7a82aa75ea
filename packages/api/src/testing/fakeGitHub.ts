import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * A fake of GitHub for tests: the three requests of its OAuth web flow, as its documentation has them. It answers 200 also to a
 * code that is not good, as GitHub does, and checks what GitHub checks: client, secret, redirect, PKCE, one use.
 */
export async function fakeGitHub() {
  const app = { clientId: 'Iv1.fake', clientSecret: randomBytes(20).toString('hex') }
  /** Who sits before the browser, and what they answer. */
  const visitor = { id: 583_231, login: 'octocat', agrees: true }
  const codes = new Map<
    string,
    { id: number; login: string; challenge: string; redirectUri: string }
  >()
  const tokens = new Map<string, { id: number; login: string }>()

  const server = createServer(async (req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://github.fake')
    const json = (body: object, status = 200) =>
      res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (pathname === '/login/oauth/authorize') {
      const redirectUri = searchParams.get('redirect_uri') ?? ''
      const back = new URL(redirectUri)
      back.searchParams.set('state', searchParams.get('state') ?? '')
      if (searchParams.get('client_id') !== app.clientId) return json({}, 404)
      if (visitor.agrees) {
        const code = randomBytes(10).toString('hex')
        const challenge = searchParams.get('code_challenge') ?? ''
        codes.set(code, { ...visitor, challenge, redirectUri })
        back.searchParams.set('code', code)
      } else back.searchParams.set('error', 'access_denied')
      return res.writeHead(302, { location: back.href }).end()
    }
    if (pathname === '/login/oauth/access_token') {
      const form = new URLSearchParams(await text(req))
      const code = form.get('code') ?? ''
      const granted = codes.get(code)
      codes.delete(code)
      const verifier = form.get('code_verifier') ?? ''
      if (form.get('client_id') !== app.clientId || form.get('client_secret') !== app.clientSecret)
        return json({ error: 'incorrect_client_credentials' })
      if (
        !granted ||
        granted.redirectUri !== form.get('redirect_uri') ||
        granted.challenge !== createHash('sha256').update(verifier).digest('base64url')
      )
        return json({ error: 'bad_verification_code' })
      const token = `gho_${randomBytes(18).toString('hex')}`
      tokens.set(token, granted)
      return json({ access_token: token, scope: '', token_type: 'bearer' })
    }
    if (pathname === '/user') {
      const user = tokens.get(/^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1] ?? '')
      return user ? json({ id: user.id, login: user.login }) : json({}, 401)
    }
    return json({}, 404)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    visitor,
    /** Configuration of a cloud that knows it. */
    env: {
      JACK_GITHUB_CLIENT_ID: app.clientId,
      JACK_GITHUB_CLIENT_SECRET: app.clientSecret,
      JACK_GITHUB_URL: url,
      JACK_GITHUB_API_URL: url,
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

async function text(req: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
