import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud({ JACK_REQUESTS_PER_MINUTE: '600' })
})
afterAll(() => cloud.close())

const as = (token: string) => ({ authorization: `Bearer ${token}` })
const create = async (body: object) => (await cloud.api('POST', '/v1/tokens', body)).json

test('who am I', async () => {
  const { json } = await cloud.api('GET', '/v1/me')
  expect(json).toMatchObject({
    slug: 'local',
    kind: 'local',
    balance_usd: '100.000000',
    token: { name: 'local cloud', scopes: ['read', 'execute', 'deploy', 'admin'] },
  })
})

test('a token is shown once and does what its scopes say', async () => {
  const made = await create({ name: 'reader', scopes: ['read'] })
  expect(made.token).toMatch(/^jkt_[A-Za-z0-9_-]{43}$/)
  const listed = await cloud.api('GET', '/v1/tokens')
  expect(listed.text).not.toContain(made.token)
  expect(listed.json.tokens[0]).toMatchObject({ name: 'reader', prefix: made.token.slice(0, 10) })

  expect((await cloud.api('GET', '/v1/projects', undefined, as(made.token))).status).toBe(200)
  const refused = await cloud.api(
    'POST',
    '/execute',
    { code: 'export const run = () => 1' },
    as(made.token),
  )
  expect(refused.status).toBe(403)
  expect(refused.json).toMatchObject({
    code: 'forbidden',
    next: [{ command: expect.stringContaining('token create') }],
  })
})

test('a revoked or expired token ends at once', async () => {
  const made = await create({ name: 'short', scopes: ['read'] })
  expect((await cloud.api('DELETE', `/v1/tokens/${made.token_id}`)).json).toMatchObject({
    deleted: true,
  })
  expect((await cloud.api('GET', '/v1/me', undefined, as(made.token))).status).toBe(401)
  const brief = await create({ name: 'brief', scopes: ['read'], expires_in_hours: 0.0001 })
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/me', undefined, as(brief.token))).status)
    .toBe(401)
})

test('a token of one project reaches no other', async () => {
  for (const name of ['mine', 'other']) await cloud.api('POST', '/v1/projects', { name })
  const { token } = await create({ name: 'ci', project: 'mine', scopes: ['deploy'] })
  expect((await cloud.api('GET', '/v1/projects/mine', undefined, as(token))).status).toBe(200)
  expect((await cloud.api('GET', '/v1/projects/other', undefined, as(token))).json.code).toBe(
    'forbidden',
  )
  expect((await cloud.api('POST', '/v1/projects', { name: 'new' }, as(token))).json.code).toBe(
    'forbidden',
  )
  const files = { 'index.js': 'export default { fetch: () => new Response("x") }' }
  expect((await cloud.api('POST', '/deploy', { name: 'other', files }, as(token))).json.code).toBe(
    'forbidden',
  )
  expect((await cloud.api('POST', '/deploy', { name: 'mine', files }, as(token))).status).toBe(201)
  const { json } = await cloud.api('GET', '/v1/projects', undefined, as(token))
  expect(json.projects.map((it: { name: string }) => it.name)).toEqual(['mine'])
})

test('a daily cap stops spending, not reading', async () => {
  const { token } = await create({
    name: 'capped',
    scopes: ['execute', 'read'],
    daily_cap_usd: '0.02',
  })
  const run = () => cloud.api('POST', '/execute', { code: 'export const run = () => 1' }, as(token))
  expect([(await run()).status, (await run()).status]).toEqual([200, 200])
  const third = await run()
  expect(third.status).toBe(402)
  expect(third.json.code).toBe('budget_exceeded')
  expect((await cloud.api('GET', '/v1/me', undefined, as(token))).status).toBe(200)
})

test.each(['Bearer jkt_wrong', 'Bearer', 'Basic abc', `Bearer jkt_${'a'.repeat(43)}`])(
  '"%s" is not let in',
  async (authorization) => {
    const { status, json, headers } = await cloud.api('GET', '/v1/me', undefined, { authorization })
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toBe(
      `Bearer realm="jack", error="invalid_token", resource_metadata="${cloud.url}/.well-known/oauth-protected-resource"`,
    )
    expect(json.code).toBe('unauthorized')
  },
)

test('trying tokens ends soon, and asking too often is told when to go on', async () => {
  const strict = await testCloud({ JACK_REQUESTS_PER_MINUTE: '20' })
  try {
    const attempt = () => strict.api('GET', '/v1/me', undefined, as(`jkt_${'b'.repeat(43)}`))
    const tries = []
    for (let i = 0; i < 8; i++) tries.push((await attempt()).status)
    expect(tries.at(-1)).toBe(429)
    const many = await Promise.all(Array.from({ length: 30 }, () => strict.api('GET', '/v1/me')))
    const limited = many.filter((it) => it.status === 429)
    expect(limited.length).toBeGreaterThan(0)
    expect(Number(limited[0]?.headers['retry-after'])).toBeGreaterThan(0)
  } finally {
    await strict.close()
  }
})

test('an answer tells no server, and errors tell nothing from inside', async () => {
  const missing = await cloud.api('GET', '/v1/nothing')
  expect(missing.json).toMatchObject({
    code: 'not_found',
    type: 'urn:jack:problem:not_found',
    status: 404,
  })
  expect(missing.headers['x-powered-by']).toBe(undefined)
  expect((await cloud.api('GET', '/v1/projects?limit=-1')).json.code).toBe('invalid_request')
  expect((await cloud.api('GET', "/v1/projects/'; drop table account; --")).json.code).toBe(
    'not_found',
  )
})

test('health, readiness and the description are open to everybody', async () => {
  for (const path of ['/healthz', '/readyz', '/openapi.json']) {
    expect((await fetch(cloud.url + path)).status).toBe(200)
  }
  const { json } = await cloud.api('GET', '/readyz')
  expect(json).toMatchObject({ status: 'ready', sandbox: { level: expect.any(String) } })
})
