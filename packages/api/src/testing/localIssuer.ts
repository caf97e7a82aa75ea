import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

/** An OpenID Connect issuer on this machine, as GitHub and GitLab are ones, for tests. */
export async function localIssuer() {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const stranger = await generateKeyPair('RS256')
  const key = { ...(await exportJWK(publicKey)), kid: 'one', use: 'sig', alg: 'RS256' }
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    const { pathname, searchParams } = new URL(request.url as string, issuer)
    if (pathname === '/.well-known/openid-configuration')
      response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }))
    else if (pathname === '/keys') response.end(JSON.stringify({ keys: [key] }))
    else if (pathname === '/id-token' && request.headers.authorization === 'Bearer of-the-run')
      void idToken({ aud: searchParams.get('audience') as string }).then((value) =>
        response.end(JSON.stringify({ value })),
      )
    else response.writeHead(404).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  /** A token of a run of octo/app on its main branch, or with other claims. */
  function idToken(
    claims: JWTPayload,
    header: { kid?: string; by?: 'stranger' } = {},
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1_000)
    return new SignJWT({
      iss: issuer,
      sub: 'repo:octo/app:ref:refs/heads/main',
      iat: now,
      exp: now + 300,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: header.kid ?? 'one' })
      .sign(header.by ? stranger.privateKey : privateKey)
  }

  return {
    url: issuer,
    idToken,
    /** As it is published, in its text form: what a forger could take for a shared secret. */
    publicKey: JSON.stringify(key),
    /** What GitHub gives a job that may ask for tokens. */
    actions: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${issuer}/id-token?api-version=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-run',
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
