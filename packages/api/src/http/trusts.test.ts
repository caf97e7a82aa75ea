import { SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Reply, type TestCloud, testCloud } from '../testing/cloud.ts'
import { localIssuer } from '../testing/localIssuer.ts'

let issuer: Awaited<ReturnType<typeof localIssuer>>
let cloud: TestCloud
beforeAll(async () => {
  issuer = await localIssuer()
  cloud = await testCloud({ JACK_OIDC_ISSUERS: issuer.url })
  for (const name of ['app', 'other']) await cloud.api('POST', '/v1/projects', { name })
})
afterAll(async () => {
  await cloud.close()
  issuer.close()
})

const subject = 'repo:octo/app:ref:refs/heads/main'
const as = (token: string) => ({ authorization: `Bearer ${token}` })
const trust = (more: object = {}) =>
  cloud.api('POST', '/v1/trusts', { issuer: issuer.url, subject, project: 'app', ...more })
async function exchange(token: string, more: object = {}): Promise<Pick<Reply, 'status' | 'json'>> {
  const response = await fetch(`${cloud.url}/v1/tokens/exchange`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token, ...more }),
  })
  return { status: response.status, json: await response.json() }
}
const own = () => issuer.idToken({ aud: cloud.url })
const files = (says: string) => ({
  'index.js': `export default { fetch: () => new Response('${says}') }`,
})

test('a run of a CI that a project trusts gets a token for an hour, and deploys with it', async () => {
  const { status, json } = await trust({ daily_cap_usd: '0.12' })
  expect(status).toBe(201)
  expect(json).toMatchObject({ subject, project: 'app', daily_cap_usd: '0.120000' })

  const exchanged = await exchange(await own())
  expect(exchanged.status).toBe(201)
  expect(exchanged.json).toMatchObject({
    scopes: ['read', 'deploy'],
    project: 'app',
    name: subject,
  })
  const hours = (Date.parse(exchanged.json.expires_at) - Date.now()) / 3_600_000
  expect(hours).toBeGreaterThan(0.9)
  expect(hours).toBeLessThanOrEqual(1)
  const { token } = exchanged.json
  const deployed = await cloud.api(
    'POST',
    '/deploy',
    { name: 'app', files: files('ci') },
    as(token),
  )
  expect(deployed.status).toBe(201)
  expect((await cloud.live(deployed.json.url)).text).toBe('ci')
  for (const [path, body] of [
    ['/deploy', { name: 'other', files: files('x') }],
    ['/v1/tokens', { name: 'more' }],
    ['/execute', { code: 'export const run = () => 1' }],
  ] as const)
    expect((await cloud.api('POST', path, body, as(token))).json.code).toBe('forbidden')
})

test('all tokens of a trust spend from one daily cap', async () => {
  const first = (await exchange(await own())).json.token
  const second = (await exchange(await own())).json.token
  const deploy = (token: string, says: string) =>
    cloud.api('POST', '/deploy', { name: 'app', files: files(says) }, as(token))
  // One was deployed by the test before: $0.12 are enough for two.
  expect((await deploy(first, 'second')).status).toBe(201)
  expect((await deploy(second, 'third')).json.code).toBe('budget_exceeded')
})

test('a trust that is removed takes its tokens with it, at once', async () => {
  const { token } = (await exchange(await own())).json
  expect((await cloud.api('GET', '/v1/me', undefined, as(token))).status).toBe(200)
  const { trusts } = (await cloud.api('GET', '/v1/trusts')).json
  expect(trusts).toHaveLength(1)
  expect(trusts[0].last_used_at).not.toBeNull()
  expect((await cloud.api('DELETE', `/v1/trusts/${trusts[0].trust_id}`)).status).toBe(200)
  expect((await cloud.api('GET', '/v1/me', undefined, as(token))).status).toBe(401)
  expect((await exchange(await own())).json.code).toBe('forbidden')
  expect((await trust({ subject: 'repo:octo/app:*' })).json.code).toBe('invalid_request')
  expect((await trust()).status).toBe(201)
  expect((await trust()).json.code).toBe('conflict')
})

const refused: [which: string, token: () => Promise<string>, code: string][] = [
  ['of another branch', () => issuer.idToken({ aud: cloud.url, sub: `${subject}-2` }), 'forbidden'],
  [
    'of another repository',
    () => issuer.idToken({ aud: cloud.url, sub: subject.replace('octo', 'evil') }),
    'forbidden',
  ],
  ['for another cloud', () => issuer.idToken({ aud: 'https://jack.example' }), 'unauthorized'],
  ['without an audience', () => issuer.idToken({}), 'unauthorized'],
  ['that has expired', () => issuer.idToken({ aud: cloud.url, exp: 1 }), 'unauthorized'],
  [
    'that is good for ever',
    () => issuer.idToken({ aud: cloud.url, iat: 1, exp: 9e9 }),
    'unauthorized',
  ],
  [
    'of another issuer',
    () => issuer.idToken({ aud: cloud.url, iss: 'https://evil.example' }),
    'unauthorized',
  ],
  [
    'that a stranger signed',
    () => issuer.idToken({ aud: cloud.url }, { by: 'stranger' }),
    'unauthorized',
  ],
  [
    'with a key that nobody knows',
    () => issuer.idToken({ aud: cloud.url }, { kid: 'two' }),
    'unauthorized',
  ],
  [
    'that nobody signed',
    async () =>
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await own()).split('.')[1]}.`,
    'unauthorized',
  ],
  [
    'whose public key was taken for a secret',
    () =>
      new SignJWT({ iss: issuer.url, sub: subject, aud: cloud.url })
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(new TextEncoder().encode(issuer.publicKey)),
    'unauthorized',
  ],
  ['that is none', async () => 'jkt_none', 'unauthorized'],
]
test.each(refused)('a token %s is not taken', async (_, token, code) => {
  expect((await exchange(await token())).json.code).toBe(code)
})

test('when several projects trust a run, it says for which one it wants a token', async () => {
  await trust({ project: 'other' })
  expect((await exchange(await own())).json.code).toBe('conflict')
  const { json } = await exchange(await own(), { project: 'other', account: 'local' })
  expect(json.project).toBe('other')
  expect((await exchange(await own(), { account: 'nobody' })).json.code).toBe('forbidden')
})

test('who is confined or capped makes no trust that is neither', async () => {
  const make = async (body: object) =>
    as(
      (await cloud.api('POST', '/v1/tokens', { name: 't', scopes: ['admin'], ...body })).json.token,
    )
  const body = { issuer: issuer.url, subject: 'repo:octo/app:environment:x', project: 'other' }
  const confined = await make({ project: 'app' })
  const capped = await make({ daily_cap_usd: '1' })
  for (const who of [confined, capped])
    expect((await cloud.api('POST', '/v1/trusts', body, who)).json.code).toBe('forbidden')
  expect((await cloud.api('GET', '/v1/trusts', undefined, confined)).json.trusts).toHaveLength(1)
})

test('the audit log says who changed what with which token', async () => {
  const { token, token_id } = (
    await cloud.api('POST', '/v1/tokens', { name: 'auditor', scopes: ['deploy'] })
  ).json
  await cloud.api('PATCH', '/v1/projects/app/env', { env: { A: 'secret-value' } }, as(token))
  await cloud.api('DELETE', '/v1/projects/nowhere', undefined, as(token))
  await cloud.api('GET', '/v1/projects', undefined, as(token))
  const { json, text } = await cloud.api('GET', '/v1/audit?limit=3')
  expect(json.entries).toMatchObject([
    {
      operation: 'deleteProject',
      project: 'nowhere',
      token_id,
      token_name: 'auditor',
      status: 404,
    },
    { operation: 'updateEnv', project: 'app', token_id, status: 200, address: '127.0.0.1' },
    { operation: 'createToken', project: null, token_name: 'local cloud', status: 201 },
  ])
  expect(text).not.toContain('secret-value')
  const next = await cloud.api('GET', `/v1/audit?limit=3&cursor=${json.next_cursor}`)
  expect(next.json.entries).toHaveLength(3)
  expect((await cloud.api('GET', '/v1/audit', undefined, as(token))).json.code).toBe('forbidden')
})
