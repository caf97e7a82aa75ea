import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const get = async (path: string, base = cloud.url) => {
  const response = await fetch(`${base}${path}`, {
    headers: { origin: 'https://inspector.example' },
  })
  return { headers: response.headers, json: await response.json() }
}

test('each resource says who makes tokens for it, to everybody', async () => {
  for (const [suffix, scopes] of [
    ['', ['read', 'execute', 'deploy', 'admin']],
    ['/mcp', ['read', 'execute', 'deploy']],
  ] as const) {
    const { headers, json } = await get(`/.well-known/oauth-protected-resource${suffix}`)
    expect(json).toMatchObject({
      resource: cloud.url + suffix,
      authorization_servers: [cloud.url],
      scopes_supported: scopes,
    })
    expect(headers.get('access-control-allow-origin')).toBe('*')
  }
})

test('a client without a token is told where to begin', async () => {
  for (const [path, suffix] of [
    ['/v1/me', ''],
    ['/mcp', '/mcp'],
  ]) {
    const { headers } = await fetch(`${cloud.url}${path}`, {
      headers: { authorization: 'Bearer jkt_wrong' },
    })
    const [, metadata] =
      /resource_metadata="([^"]+)"/.exec(headers.get('www-authenticate') ?? '') ?? []
    expect(metadata).toBe(`${cloud.url}/.well-known/oauth-protected-resource${suffix}`)
  }
})

test('the authorization server takes PKCE with S256, public clients, and names its issuer', async () => {
  const { json } = await get('/.well-known/oauth-authorization-server')
  expect(json).toMatchObject({
    issuer: cloud.url,
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none'],
    authorization_response_iss_parameter_supported: true,
    client_id_metadata_document_supported: true,
  })
})

test('a cloud on this machine goes by every name of loopback, and by no other', async () => {
  const base = `http://localhost:${cloud.port}`
  const { json } = await get('/.well-known/oauth-protected-resource/mcp', base)
  expect(json).toMatchObject({ resource: `${base}/mcp`, authorization_servers: [cloud.url] })
  const forged = await cloud.live('http://api.localhost/.well-known/oauth-protected-resource')
  expect(forged.json.resource).toBe(cloud.url)
})
