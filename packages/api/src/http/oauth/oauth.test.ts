import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { Browser } from '../../testing/browser.ts'
import { type TestCloud, testCloud } from '../../testing/cloud.ts'
import { decide, form, Program, register, signedInBrowser, token } from '../../testing/oauth.ts'

let cloud: TestCloud
let browser: Browser
beforeAll(async () => {
  cloud = await testCloud()
  browser = await signedInBrowser(cloud)
})
afterAll(() => cloud.close())

const as = (secret: string) => ({ authorization: `Bearer ${secret}` })
const me = (secret: string) => cloud.api('GET', '/v1/me', undefined, as(secret))

/** Gives the cloud another clock for the rest of a test. */
function clock(now: () => Date): void {
  const before = cloud.jack.now
  cloud.jack.now = now
  onTestFinished(() => {
    cloud.jack.now = before
  })
}
const later = (ms: number) => clock(() => new Date(Date.now() + ms))

test('a program that a person lets in gets a token, and what it may do and spend is what the person chose', async () => {
  const program = await Program.register(cloud)
  const back = await program.allowed(
    browser,
    { resource: cloud.url, scope: 'read deploy admin openid' },
    { scopes: ['read', 'admin'].slice(0, 1), cap: '0.50' },
  )
  expect(Object.fromEntries(back)).toEqual({
    code: expect.stringMatching(/^jkc_/),
    state: program.state,
    iss: cloud.url,
  })
  const { status, json, headers } = await program.redeem(back.get('code') ?? '')
  expect([status, headers['cache-control']]).toEqual([200, 'no-store'])
  expect(json).toEqual({
    access_token: expect.stringMatching(/^jkt_[\w-]{43}$/),
    token_type: 'Bearer',
    expires_in: 3600,
    refresh_token: expect.stringMatching(/^jkr_[\w-]{43}$/),
    scope: 'read',
  })
  const entries = (await cloud.api('GET', '/v1/audit')).json.entries
  expect(entries[0]).toMatchObject({ operation: 'letIn', token_name: 'Test program' })
  expect((await me(json.access_token)).json.token).toMatchObject({
    name: 'Test program',
    scopes: ['read'],
    daily_cap_usd: '0.500000',
    client_id: program.clientId,
    resource: 'api',
  })
})

test('whoever is not signed in signs in first, and comes back to what was asked', async () => {
  const program = await Program.register(cloud)
  const { status, location } = await new Browser(cloud.url).get(program.path())
  expect([status, location]).toEqual([303, `/sign-in?next=${encodeURIComponent(program.path())}`])
  const long = await new Browser(cloud.url).get(program.path({ state: 'x'.repeat(3_000) }))
  const signIn = await new Browser(cloud.url).get(long.location ?? '')
  expect(signIn.field('next')).toContain('x'.repeat(3_000))
  const tooLong = await new Browser(cloud.url).get(program.path({ state: 'x'.repeat(4_000) }))
  expect([tooLong.status, tooLong.location]).toEqual([400, undefined])
})

test('the page says who asks, for whom, for what, and where it leads, in words that are not its own', async () => {
  const name = '<script>alert(1)</script>"\u202e Jack'
  const program = await Program.register(cloud, 'https://app.example/callback', name)
  const { text, headers } = await browser.get(program.path({ scope: 'execute' }))
  expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot; Jack')
  expect(text).not.toContain('<script>')
  expect(text).toContain('<strong>app.example</strong>')
  expect(text).toContain('by nobody: it registered itself')
  expect(text).toContain('<dd>local</dd>')
  expect(text).toContain('Run programs, which costs money')
  expect(text).not.toContain('Everything else too')
  expect(text).toMatch(/name="daily_cap_usd"[^>]* value="5"/)
  expect(headers['content-security-policy']).toContain(
    "form-action 'self' https://app.example; frame-ancestors 'none'",
  )
  expect(headers['cache-control']).toBe('no-store')
})

test('who says no is believed, and an unclear answer is asked again', async () => {
  const program = await Program.register(cloud)
  const page = () => browser.get(program.path())
  const no = await decide(browser, await page(), { decision: 'deny' })
  expect(Object.fromEntries(new URL(no.location ?? '').searchParams)).toEqual({
    error: 'access_denied',
    error_description: 'The person said no.',
    state: program.state,
    iss: cloud.url,
  })
  for (const answer of [{ scopes: [] }, { scopes: ['admin'] }, { cap: 'lots' }, { cap: '-1' }]) {
    const again = await decide(browser, await page(), answer)
    expect([again.status, again.location]).toEqual([400, undefined])
    expect(again.text).toContain('role="alert"')
    expect((await decide(browser, again)).location).toContain('code=')
  }
})

test('who has another account can go and sign in to it, and comes back', async () => {
  const program = await Program.register(cloud)
  const { text } = await browser.get(program.path())
  const [, href = ''] = /<a href="(\/sign-in[^"]*)"/.exec(text) ?? []
  expect(new URL(href, cloud.url).searchParams.get('next')).toBe(program.path())
})

test('pages of anybody may ask for tokens, which need no cookie, and for nothing that does', async () => {
  const preflight = (path: string) =>
    fetch(`${cloud.url}${path}`, {
      method: 'OPTIONS',
      headers: { origin: 'https://inspector.example', 'access-control-request-method': 'POST' },
    })
  for (const path of ['token', 'register', 'revoke', 'device_authorization'])
    expect((await preflight(`/oauth/${path}`)).headers.get('access-control-allow-origin')).toBe('*')
  for (const path of ['/oauth/authorize', '/device'])
    expect((await preflight(path)).headers.get('access-control-allow-origin')).toBeNull()
})

test('a program can be confined to one project', async () => {
  await cloud.api('POST', '/v1/projects', { name: 'mine' })
  const program = await Program.register(cloud)
  const code = await program.code(browser, { resource: cloud.url }, { project: 'mine' })
  const { json } = await program.redeem(code)
  expect((await me(json.access_token)).json.token.project).toBe('mine')
  const other = await cloud.api('POST', '/v1/projects', { name: 'other' }, as(json.access_token))
  expect(other.status).toBe(403)
})

test('each refresh changes both secrets, and the grant stays one token with one daily cap', async () => {
  const program = await Program.register(cloud)
  const first = (await program.redeem(await program.code(browser, { resource: cloud.url }))).json
  const { token_id } = (await me(first.access_token)).json.token
  const { status, json: next } = await program.refresh(first.refresh_token)
  expect(status).toBe(200)
  expect(next.access_token).not.toBe(first.access_token)
  expect(next.refresh_token).not.toBe(first.refresh_token)
  expect((await me(next.access_token)).json.token.token_id).toBe(token_id)
  later(3_601_000)
  expect((await me(next.access_token)).status).toBe(401)
  const third = await program.refresh(next.refresh_token, { scope: 'read' })
  expect((await me(third.json.access_token)).status).toBe(200)
})

test('grants are among the tokens, by the name of their program, and end there', async () => {
  const program = await Program.register(cloud, undefined, 'Inspector')
  const { json } = await program.redeem(await program.code(browser, { resource: cloud.url }))
  await program.code(browser)
  const listed = (await cloud.api('GET', '/v1/tokens')).json.tokens.filter(
    (it: { name: string }) => it.name === 'Inspector',
  )
  expect(listed).toEqual([expect.objectContaining({ client_id: program.clientId })])
  expect(new Date(listed[0].expires_at).getTime()).toBeGreaterThan(Date.now() + 59 * 86_400_000)
  await cloud.api('DELETE', `/v1/tokens/${listed[0].token_id}`)
  expect((await me(json.access_token)).status).toBe(401)
  expect((await program.refresh(json.refresh_token)).json.error).toBe('invalid_grant')
})

test('a program gives back what it got by either secret, and nobody else can', async () => {
  const program = await Program.register(cloud)
  const stranger = await Program.register(cloud)
  for (const kind of ['access_token', 'refresh_token']) {
    const { json } = await program.redeem(await program.code(browser, { resource: cloud.url }))
    const revoke = (client_id: string) =>
      form(cloud, '/oauth/revoke', { client_id, token: json[kind] })
    expect((await revoke(stranger.clientId)).status).toBe(200)
    expect((await me(json.access_token)).status).toBe(200)
    expect((await revoke(program.clientId)).status).toBe(200)
    expect((await me(json.access_token)).status).toBe(401)
  }
  const unknown = { client_id: program.clientId, token: 'jkt_unknown' }
  expect((await form(cloud, '/oauth/revoke', unknown)).status).toBe(200)
  const byHand = { client_id: 'jack-cli', token: cloud.token }
  expect((await form(cloud, '/oauth/revoke', byHand)).status).toBe(200)
  expect((await me(cloud.token)).status).toBe(200)
})

test('the command line gets one token for 90 days, with the name of its machine', async () => {
  const program = new Program(cloud, 'jack-cli', 'http://127.0.0.1:50123/callback')
  const asked = { resource: cloud.url, scope: 'read execute deploy admin', device_name: 'laptop' }
  const page = await browser.get(program.path(asked))
  expect(page.text).toContain('<dd>laptop, as it says</dd>')
  expect(page.text).toMatch(/name="daily_cap_usd"[^>]* value=""/)
  const { json } = await program.redeem(await program.code(browser, asked, { cap: '' }))
  expect(json).toMatchObject({ expires_in: 90 * 86_400, scope: 'read execute deploy admin' })
  expect(json).not.toHaveProperty('refresh_token')
  expect((await me(json.access_token)).json.token).toMatchObject({
    name: 'jack on laptop',
    daily_cap_usd: null,
    client_id: 'jack-cli',
  })
})

test('a device without a browser waits for its person, and gets one token', async () => {
  const begun = await form(cloud, '/oauth/device_authorization', {
    client_id: 'jack-cli',
    resource: cloud.url,
    scope: 'read deploy',
    device_name: 'server',
  })
  expect(begun.json).toMatchObject({
    user_code: expect.stringMatching(/^[B-Z]{4}-[B-Z]{4}$/),
    verification_uri: `${cloud.url}/device`,
    expires_in: 600,
    interval: 5,
  })
  const { device_code, user_code } = begun.json
  const poll = () =>
    token(cloud, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      client_id: 'jack-cli',
      device_code,
    })
  const at = new Date()
  clock(() => at)
  expect((await poll()).json.error).toBe('authorization_pending')
  expect((await poll()).json.error).toBe('slow_down')
  expect((await browser.get('/device')).text).toContain('name="user_code"')
  const typed = user_code.toLowerCase().replace('-', ' ')
  const page = await browser.get(`/device?user_code=${encodeURIComponent(typed)}`)
  expect(page.text).toContain(`>${user_code}</strong>`)
  expect((await decide(browser, page, { cap: '1' })).text).toContain('is let in')
  const { status, json } = await poll()
  expect([status, json.scope]).toEqual([200, 'read deploy'])
  expect((await me(json.access_token)).json.token.name).toBe('jack on server')
  expect((await poll()).json.error).toBe('invalid_grant')
})

test('a device is told no, and that its time is over', async () => {
  const begin = async () =>
    (await form(cloud, '/oauth/device_authorization', { client_id: 'jack-cli' })).json
  const poll = ({ device_code }: { device_code: string }) =>
    token(cloud, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      client_id: 'jack-cli',
      device_code,
    })
  const first = await begin()
  const page = await browser.get(`/device?user_code=${first.user_code}`)
  await decide(browser, page, { decision: 'deny' })
  expect((await poll(first)).json.error).toBe('access_denied')
  const second = await begin()
  later(601_000)
  expect((await poll(second)).json.error).toBe('expired_token')
})

test('what a program says of itself at its registration is checked, and it gets no secret', async () => {
  const redirect_uris = [
    'http://127.0.0.1/callback',
    'cursor://anysphere.cursor/oauth',
    'https://a.example/cb',
  ]
  const { status, json } = await register(cloud, {
    redirect_uris,
    token_endpoint_auth_method: 'client_secret_post',
  })
  expect(status).toBe(201)
  expect(json).toMatchObject({
    client_id: expect.stringMatching(/^cli_/),
    redirect_uris,
    token_endpoint_auth_method: 'none',
  })
  expect(json).not.toHaveProperty('client_secret')
  for (const metadata of [{}, { redirect_uris: [] }, { redirect_uris: 'https://a.example' }, []])
    expect((await register(cloud, metadata)).json.error).toMatch(/^invalid_/)
})

test('programs that nobody trusts are forgotten, with codes that nobody came for', async () => {
  const { json } = await register(cloud, { redirect_uris: ['https://a.example/cb'] })
  const trusted = await Program.register(cloud)
  await trusted.code(browser)
  later(8 * 86_400_000)
  const { sweep } = await import('../../verbs/sweep.ts')
  await sweep(cloud.jack)
  const { db } = cloud.jack
  const left = await db.selectFrom('oauth_client').select('client_id').execute()
  const ids = left.map((it) => it.client_id)
  expect(ids).toContain(trusted.clientId)
  expect(ids).not.toContain(json.client_id)
  expect(await db.selectFrom('oauth_code').selectAll().execute()).toEqual([])
  const grants = db.selectFrom('token').select('token_id').where('client_id', '=', trusted.clientId)
  expect(await grants.execute()).toEqual([])
})
