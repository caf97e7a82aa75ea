import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
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

const me = (secret: string) =>
  cloud.api('GET', '/v1/me', undefined, { authorization: `Bearer ${secret}` })
const isGood = async (secret: string) => (await me(secret)).status === 200

function later(ms: number): void {
  const { now } = cloud.jack
  cloud.jack.now = () => new Date(Date.now() + ms)
  onTestFinished(() => {
    cloud.jack.now = now
  })
}

/** Another person, with a browser of his own. */
async function somebodyElse() {
  const { address } = privateKeyToAccount(generatePrivateKey())
  const account = await cloud.jack.wallets.accountOf(address.toLowerCase() as `0x${string}`)
  return { account, browser: await signedInBrowser(cloud, account.accountId) }
}

test('open redirect: a browser goes to no address but those that a client registered', async () => {
  const https = await Program.register(cloud, 'https://app.example/callback')
  const loopback = await Program.register(cloud, 'http://127.0.0.1:4711/callback')
  for (const [program, redirect_uri] of [
    [https, 'https://evil.example/callback'],
    [https, 'https://app.example/callback/'],
    [https, 'https://app.example/callback?x=1'],
    [https, 'https://app.example/callback#x'],
    [https, 'https://app.example@evil.example/callback'],
    [https, 'https://app.example.evil.example/callback'],
    [https, 'https://app.example:444/callback'],
    [https, 'http://app.example/callback'],
    [https, 'HTTPS://app.example/callback'],
    [https, 'https://app.example/%63allback'],
    [https, 'https://app.example\\@evil.example/callback'],
    [https, '//evil.example/callback'],
    [https, 'javascript:alert(1)//https://app.example/callback'],
    [https, ''],
    [loopback, 'http://127.0.0.1:4711/other'],
    [loopback, 'http://localhost:4711/callback'],
    [loopback, 'http://127.0.0.1.evil.example:4711/callback'],
    [loopback, 'http://127.0.0.1:4711@evil.example/callback'],
    [loopback, 'https://127.0.0.1:4711/callback'],
  ] as const) {
    for (const broken of [{}, { response_type: 'token' }, { code_challenge: null }]) {
      const seen = await browser.get(program.path({ redirect_uri, ...broken }))
      expect([redirect_uri, seen.status, seen.location]).toEqual([redirect_uri, 400, undefined])
    }
  }
  const twice = `${https.path()}&redirect_uri=https://evil.example/callback`
  expect((await browser.get(twice)).status).toBe(400)
  const unknown = await browser.get(https.path({ client_id: 'cli_unknown' }))
  expect([unknown.status, unknown.location]).toEqual([400, undefined])
})

test('a program on loopback may come back on any port, since it gets one when it starts', async () => {
  const program = await Program.register(cloud, 'http://127.0.0.1/callback')
  const seen = await browser.get(program.path({ redirect_uri: 'http://127.0.0.1:61234/callback' }))
  expect(seen.status).toBe(200)
})

test('redirect URIs that a browser runs, or that lead to another machine in the clear, are not registered', async () => {
  for (const uri of [
    'javascript:alert(1)',
    'JavaScript:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://a.example/x',
    'about:blank',
    'view-source:https://a.example',
    'ms-msdt:/id PCWDiagnostic',
    'search-ms:query=x',
    'http://app.example/callback',
    'http://localhost.evil.example/callback',
    'http://user@127.0.0.1/callback',
    'https://a.example/#fragment',
    'https://user:secret@a.example/',
    'callback',
    '',
  ]) {
    const { status, json } = await register(cloud, { redirect_uris: [uri] })
    expect([uri, status, json.error]).toEqual([uri, 400, 'invalid_redirect_uri'])
  }
})

test('mix-up: every answer names who gave it', async () => {
  const program = await Program.register(cloud)
  const issuer = (await (await fetch(`${cloud.url}/.well-known/oauth-authorization-server`)).json())
    .issuer
  const good = await program.allowed(browser)
  const bad = await browser.get(program.path({ scope: 'nothing-of-ours' }))
  for (const answer of [good, new URL(bad.location ?? '').searchParams])
    expect([answer.getAll('iss'), answer.get('state')]).toEqual([[issuer], program.state])
})

test('code replay: a code is good once, and coming with it again ends what it brought', async () => {
  const program = await Program.register(cloud)
  const code = await program.code(browser, { resource: cloud.url })
  const { json } = await program.redeem(code)
  expect(await isGood(json.access_token)).toBe(true)
  const again = await program.redeem(code)
  expect([again.status, again.json.error]).toEqual([400, 'invalid_grant'])
  expect(await isGood(json.access_token)).toBe(false)
  expect((await program.refresh(json.refresh_token)).json.error).toBe('invalid_grant')
})

test('of many who come with a code at once one gets a token, and it does not last', async () => {
  const program = await Program.register(cloud)
  const code = await program.code(browser, { resource: cloud.url })
  const all = await Promise.all(Array.from({ length: 8 }, () => program.redeem(code)))
  const good = all.filter((it) => it.status === 200)
  expect(good).toHaveLength(1)
  expect(await isGood(good[0]?.json.access_token)).toBe(false)
})

test('a code is good for a minute', async () => {
  const program = await Program.register(cloud)
  const code = await program.code(browser)
  later(61_000)
  expect((await program.redeem(code)).json.error).toBe('invalid_grant')
})

test('PKCE downgrade: without S256 nobody gets a code, and without the verifier nobody a token', async () => {
  const program = await Program.register(cloud)
  for (const changes of [
    { code_challenge: null },
    { code_challenge: null, code_challenge_method: null },
    { code_challenge_method: 'plain' },
    { code_challenge_method: null },
    { code_challenge: program.challenge.slice(1) },
    { code_challenge: `${program.challenge}=` },
  ]) {
    const { location = '' } = await browser.get(program.path(changes))
    expect(new URL(location).searchParams.get('error')).toBe('invalid_request')
  }
  for (const code_verifier of [null, '', 'short', program.challenge, `${program.verifier}x`]) {
    const { status, json } = await program.redeem(await program.code(browser), { code_verifier })
    expect([status, json.error]).toEqual([400, expect.stringMatching(/^invalid_(request|grant)$/)])
  }
})

test('a guess at the verifier uses the code up', async () => {
  const program = await Program.register(cloud)
  const code = await program.code(browser)
  const guess = await program.redeem(code, { code_verifier: 'a'.repeat(43) })
  expect(guess.json.error).toBe('invalid_grant')
  expect((await program.redeem(code)).json.error).toBe('invalid_grant')
})

test('CSRF: only a page of ours, in the browser that it was shown to, says yes', async () => {
  const program = await Program.register(cloud)
  const page = await browser.get(program.path())
  const fields = {
    csrf: page.field('csrf'),
    request: page.field('request'),
    scope: 'read',
    decision: 'allow',
  }
  const post = (changes: Record<string, string>, headers: Record<string, string> = {}) =>
    browser.post('/oauth/authorize', { ...fields, ...changes }, headers)
  for (const [changes, headers] of [
    [{ csrf: '' }, {}],
    [{ csrf: 'x'.repeat(43) }, {}],
    [{}, { origin: 'https://evil.example' }],
    [{}, { origin: 'null' }],
    [{}, { origin: `http://local-app.localhost:${cloud.port}` }],
    [{}, { 'sec-fetch-site': 'same-site' }],
    [{}, { 'content-type': 'text/plain' }],
  ] as [Record<string, string>, Record<string, string>][]) {
    const { status, location } = await post(changes, headers)
    expect([status >= 400, location]).toEqual([true, undefined])
  }
  const attacker = await somebodyElse()
  const theirs = (await attacker.browser.get(program.path())).field('csrf')
  expect((await post({ csrf: theirs })).status).toBe(403)
  expect((await post({})).location).toContain('code=')
})

test('the page is in nobody’s frame, and is kept by nobody', async () => {
  const program = await Program.register(cloud)
  const { headers } = await browser.get(program.path())
  expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
  expect(headers['x-frame-options']).toBe('DENY')
  expect(headers['cache-control']).toBe('no-store')
})

test('login CSRF: who is not signed in decides nothing, and the page names the account', async () => {
  const program = await Program.register(cloud)
  const page = await browser.get(program.path())
  expect(page.text).toContain('<dt>Account</dt><dd>local</dd>')
  const out = new Browser(cloud.url)
  for (const [name, value] of browser.cookies) out.cookies.set(name, value)
  const signOut = (await out.get('/sign-in')).field('csrf')
  await out.post('/sign-out', { csrf: signOut })
  const { location } = await decide(out, page)
  expect(location).toBeUndefined()
  browser = await signedInBrowser(cloud)
})

test('foreign resource: no token is made for another server, and each is good where it was made for', async () => {
  const program = await Program.register(cloud)
  for (const resource of [
    'https://evil.example/mcp',
    `${cloud.url}/other`,
    `${cloud.url}@evil.example`,
    `http://127.0.0.1:${cloud.port + 1}/mcp`,
    `http://localhost:${cloud.port + 1}/mcp`,
    `http://127.0.0.1/mcp`,
    `https://127.0.0.1:${cloud.port}/mcp`,
    `http://local-app.localhost:${cloud.port}/mcp`,
  ]) {
    const { location = '' } = await browser.get(program.path({ resource }))
    expect(new URL(location).searchParams.get('error')).toBe('invalid_target')
  }
  const twice = `${program.path()}&resource=${cloud.url}`
  expect((await browser.get(twice)).status).toBe(400)

  const mcp = (await program.redeem(await program.code(browser))).json
  expect(await isGood(mcp.access_token)).toBe(false)
  const as = { authorization: `Bearer ${mcp.access_token}` }
  for (const [method, path, body] of [
    ['POST', '/execute', { code: 'export const run = () => 1' }],
    ['POST', '/deploy', { files: { 'index.js': 'export default {}' } }],
    ['GET', '/v1/tokens', undefined],
    ['GET', '/v1/balance', undefined],
  ] as const)
    expect((await cloud.api(method, path, body, as)).status).toBe(401)
  const find = (secret: string, resource: 'api' | 'mcp') =>
    cloud.jack.payers.find(secret, new Date(), resource)
  expect(await find(mcp.access_token, 'mcp')).toMatchObject({ slug: 'local' })
  const api = (await program.redeem(await program.code(browser, { resource: cloud.url }))).json
  expect(await find(api.access_token, 'mcp')).toMatchObject({ slug: 'local' })
  expect(await find(api.access_token, 'api')).toMatchObject({ slug: 'local' })

  const wrong = await program.redeem(await program.code(browser), { resource: cloud.url })
  expect(wrong.json.error).toBe('invalid_grant')
  const elsewhere = await program.refresh(mcp.refresh_token, { resource: cloud.url })
  expect(elsewhere.json.error).toBe('invalid_target')
})

test('scope widening: a refresh asks for no more than the person gave', async () => {
  const program = await Program.register(cloud)
  const code = await program.code(browser, { scope: 'read deploy admin' }, { scopes: ['read'] })
  const { json } = await program.redeem(code)
  for (const scope of ['read admin', 'admin', 'nothing-of-ours'])
    expect((await program.refresh(json.refresh_token, { scope })).json.error).toBe('invalid_scope')
  expect((await program.refresh(json.refresh_token)).json.scope).toBe('read')
})

test('a person gives no more than was asked, whatever the form says', async () => {
  const program = await Program.register(cloud)
  const code = await program.code(browser, { scope: 'read' }, { scopes: ['read', 'admin'] })
  expect((await program.redeem(code)).json.scope).toBe('read')
})

test('confused deputy: a code is of one program, and a project of one account', async () => {
  const victim = await Program.register(cloud)
  const attacker = await Program.register(cloud)
  const code = await victim.code(browser)
  const stolen = await attacker.redeem(code, { code_verifier: victim.verifier })
  expect(stolen.json.error).toBe('invalid_grant')
  const { json } = await victim.redeem(await victim.code(browser))
  expect((await attacker.refresh(json.refresh_token)).json.error).toBe('invalid_grant')
  expect((await victim.refresh(json.refresh_token)).status).toBe(200)

  const { browser: theirs, account } = await somebodyElse()
  await cloud.api('POST', '/v1/projects', { name: 'of-local' })
  const page = await theirs.get(victim.path())
  expect(page.text).toContain(`<dd>${account.slug}</dd>`)
  expect(page.text).not.toContain('of-local')
  expect((await decide(theirs, page, { project: 'of-local' })).status).toBe(404)
})

test('refresh reuse: a refresh token that comes a second time ends everything, also when both come at once', async () => {
  const program = await Program.register(cloud)
  const first = (await program.redeem(await program.code(browser, { resource: cloud.url }))).json
  const next = (await program.refresh(first.refresh_token)).json
  expect(await isGood(next.access_token)).toBe(true)
  expect((await program.refresh(first.refresh_token)).json.error).toBe('invalid_grant')
  expect(await isGood(next.access_token)).toBe(false)
  expect((await program.refresh(next.refresh_token)).json.error).toBe('invalid_grant')

  const again = (await program.redeem(await program.code(browser, { resource: cloud.url }))).json
  const both = await Promise.all([1, 2].map(() => program.refresh(again.refresh_token)))
  expect(both.map((it) => it.status).toSorted()).toEqual([200, 400])
  const lucky = both.find((it) => it.status === 200)
  expect(await isGood(lucky?.json.access_token)).toBe(false)
})

test('refreshing does not give a daily cap anew', async () => {
  const program = await Program.register(cloud)
  const asked = { resource: cloud.url, scope: 'read execute' }
  let { json } = await program.redeem(await program.code(browser, asked, { cap: '0.01' }))
  const run = () =>
    cloud.api(
      'POST',
      '/execute',
      { code: 'export const run = () => 1' },
      { authorization: `Bearer ${json.access_token}` },
    )
  expect((await run()).status).toBe(200)
  json = (await program.refresh(json.refresh_token)).json
  expect((await run()).json.code).toBe('budget_exceeded')
})

test('a grant makes no tokens that have its cap no more', async () => {
  const program = await Program.register(cloud)
  const code = await program.code(browser, { resource: cloud.url, scope: 'admin' }, { cap: '1' })
  const { access_token } = (await program.redeem(code)).json
  const made = await cloud.api(
    'POST',
    '/v1/tokens',
    { name: 'more', scopes: ['admin'] },
    { authorization: `Bearer ${access_token}` },
  )
  expect(made.status).toBe(403)
})

test('device codes: guessing is over soon, for that person alone', async () => {
  const { browser: guesser } = await somebodyElse()
  const begun = await form(cloud, '/oauth/device_authorization', { client_id: 'jack-cli' })
  const guess = (code: string) => guesser.get(`/device?user_code=${code}`)
  for (let i = 0; i < 10; i++) expect((await guess(`BCDF-GHJ${'BCDFGHJKLM'[i]}`)).status).toBe(404)
  expect((await guess(begun.json.user_code)).status).toBe(429)
  expect((await browser.get(`/device?user_code=${begun.json.user_code}`)).status).toBe(200)
})

test('a device code is of one program, and a user code is answered once', async () => {
  const begun = await form(cloud, '/oauth/device_authorization', { client_id: 'jack-cli' })
  const { device_code, user_code } = begun.json
  const other = await Program.register(cloud)
  const page = await browser.get(`/device?user_code=${user_code}`)
  expect((await decide(browser, page)).status).toBe(200)
  const { browser: theirs } = await somebodyElse()
  expect((await theirs.get(`/device?user_code=${user_code}`)).status).toBe(404)
  const poll = (client_id: string) =>
    token(cloud, {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      client_id,
      device_code,
    })
  expect((await poll(other.clientId)).json.error).toBe('invalid_grant')
  expect((await poll('jack-cli')).status).toBe(200)
})

test('what is malformed is refused in the words of OAuth, and secrets of clients are no use', async () => {
  const program = await Program.register(cloud)
  const good = { grant_type: 'authorization_code', client_id: program.clientId }
  for (const [fields, error] of [
    [{}, 'invalid_request'],
    [{ grant_type: 'password', client_id: program.clientId }, 'unsupported_grant_type'],
    [{ grant_type: 'constructor', client_id: program.clientId }, 'unsupported_grant_type'],
    [{ grant_type: 'client_credentials', client_id: program.clientId }, 'unsupported_grant_type'],
    [good, 'invalid_request'],
    [{ ...good, client_secret: 'x' }, 'invalid_client'],
  ] as [Record<string, string>, string][]) {
    const { json, headers } = await token(cloud, fields)
    expect(json.error).toBe(error)
    expect(headers['cache-control']).toBe('no-store')
  }
  const inJson = await cloud.api('POST', '/oauth/token', good)
  expect([inJson.status, inJson.json.error]).toEqual([400, 'invalid_request'])
})

test('asking for the metadata of ever new clients ends soon', async () => {
  const ask = (i: number) =>
    browser.get(`/oauth/authorize?client_id=https://localhost/${i}/client.json`)
  let last = await ask(0)
  for (let i = 1; i < 62 && last.status === 400; i++) last = await ask(i)
  expect(last.status).toBe(429)
})

test('registering again and again ends soon', async () => {
  const one = () => register(cloud, { redirect_uris: ['https://a.example/cb'] })
  let last = await one()
  for (let i = 0; i < 60 && last.status === 201; i++) last = await one()
  expect(last.status).toBe(429)
  expect(Number(last.headers['retry-after'])).toBeGreaterThan(0)
})
