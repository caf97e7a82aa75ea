import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testChain } from '../payments/localnet/testing.ts'
import { Browser } from '../testing/browser.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { fakeGitHub } from '../testing/fakeGitHub.ts'
import { byGitHub, byWallet, messageIn, wayBack } from '../testing/signIn.ts'

// What somebody tries who wants to be another one, or wants another one to be him.

const chain = testChain()
let github: Awaited<ReturnType<typeof fakeGitHub>>
let cloud: TestCloud
/** One that the world reaches by https, through a proxy. */
let secure: TestCloud
beforeAll(async () => {
  github = await fakeGitHub()
  const { rpcUrl } = await chain()
  cloud = await testCloud({ ...github.env, JACK_CHAIN: 'local', JACK_RPC_URL: rpcUrl })
  secure = await testCloud({
    ...github.env,
    JACK_PUBLIC_URL: 'https://jack.example',
    JACK_DOMAIN: 'jack.example',
    JACK_TRUSTED_PROXIES: '1',
    JACK_REQUESTS_PER_MINUTE: '3000',
  })
})
afterAll(async () => {
  await Promise.all([cloud.close(), secure.close()])
  await github.close()
})

const browser = () => new Browser(cloud.url)
const secureBrowser = () => new Browser(`http://127.0.0.1:${secure.port}`, 'https://jack.example')
const newKey = () => privateKeyToAccount(generatePrivateKey())
const isSignedIn = async (it: Browser) =>
  (await it.get('/sign-in')).text.includes('You are signed in')

async function signedInHere(): Promise<Browser> {
  const it = browser()
  await it.post('/sign-in/local', { csrf: (await it.get('/sign-in')).field('csrf') })
  expect(await isSignedIn(it)).toBe(true)
  return it
}

describe('a hostile app on a subdomain, whose requests carry our cookies', () => {
  const port = () => new URL(cloud.url).port

  test('cannot send our forms, though it had the token', async () => {
    const victim = await signedInHere()
    const csrf = (await victim.get('/sign-in')).field('csrf')
    const origins = [
      { origin: `http://evil-app.localhost:${port()}`, 'sec-fetch-site': 'same-site' },
      { origin: `http://evil-app.localhost:${port()}`, 'sec-fetch-site': 'same-origin' },
      { origin: `http://127.0.0.1:${Number(port()) + 1}`, 'sec-fetch-site': 'same-site' },
      { origin: `https://127.0.0.1:${port()}`, 'sec-fetch-site': 'cross-site' },
      { origin: 'null', 'sec-fetch-site': 'same-origin' },
      { origin: '', 'sec-fetch-site': 'same-origin' },
      { origin: cloud.url, 'sec-fetch-site': 'same-site' },
      { origin: cloud.url, 'sec-fetch-site': 'none' },
      { origin: `${cloud.url}.evil.example`, 'sec-fetch-site': 'same-origin' },
      { origin: `${cloud.url}/`, 'sec-fetch-site': 'same-origin' },
    ]
    for (const headers of origins) {
      const sent = await victim.post('/sign-out', { csrf }, headers)
      expect([sent.status, headers]).toEqual([403, headers])
    }
    expect(await isSignedIn(victim)).toBe(true)
  })

  test('cannot do without the token, nor with that of its own browser', async () => {
    const victim = await signedInHere()
    const attacker = (await browser().get('/sign-in')).field('csrf')
    for (const csrf of ['', attacker, 'x'.repeat(43), `${attacker}\0`]) {
      expect((await victim.post('/sign-out', { csrf })).status).toBe(403)
    }
    expect((await victim.post('/sign-out', {})).status).toBe(403)
    expect(await isSignedIn(victim)).toBe(true)
  })

  test('cannot send what no form sends, such as JSON or plain text', async () => {
    const victim = await signedInHere()
    const csrf = (await victim.get('/sign-in')).field('csrf')
    for (const type of ['text/plain', 'application/json', 'multipart/form-data; boundary=a']) {
      const sent = await victim.post('/sign-out', { csrf }, { 'content-type': type })
      expect(sent.status).toBe(400)
    }
  })

  test('cannot plant a cookie: of two nobody knows which is ours, and nobody is signed in', async () => {
    const victim = await signedInHere()
    const attacker = await signedInHere()
    const [mine, planted] = [victim, attacker].map((it) => it.cookies.get('jack'))
    for (const cookie of [`jack=${planted}; jack=${mine}`, `jack=${mine}; jack=${planted}`]) {
      const page = await victim.get('/sign-in', { cookie })
      expect(page.text).not.toContain('You are signed in')
    }
  })

  test('cannot plant one where there is https: only the name counts that browsers guard', async () => {
    const attacker = secureBrowser()
    await byGitHub(attacker)
    expect([...attacker.cookies.keys()]).toEqual(['__Host-jack'])
    const secret = attacker.cookies.get('__Host-jack')
    const victim = secureBrowser()
    const page = await victim.get('/sign-in', { cookie: `jack=${secret}; __Secure-jack=${secret}` })
    expect(page.text).not.toContain('You are signed in')
    const [line] = [page.headers['set-cookie'] ?? []].flat()
    expect(line).toMatch(/^__Host-jack=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  })

  test('gains nothing by a cookie that was there before the sign-in', async () => {
    const attacker = browser()
    await attacker.get('/sign-in')
    const victim = browser()
    victim.cookies.set('jack', attacker.cookies.get('jack') as string)
    await victim.post('/sign-in/local', { csrf: (await victim.get('/sign-in')).field('csrf') })
    expect(await isSignedIn(victim)).toBe(true)
    expect(victim.cookies.get('jack')).not.toBe(attacker.cookies.get('jack'))
    expect(await isSignedIn(attacker)).toBe(false)
  })
})

test('a cookie that was stolen before the sign-out is worth nothing after it', async () => {
  const victim = await signedInHere()
  const thief = browser()
  thief.cookies.set('jack', victim.cookies.get('jack') as string)
  expect(await isSignedIn(thief)).toBe(true)
  await victim.post('/sign-out', { csrf: (await victim.get('/sign-in')).field('csrf') })
  expect(await isSignedIn(thief)).toBe(false)
})

test('who lost a browser signs out everywhere, and nobody else with him', async () => {
  const [lost, own, other] = [await signedInHere(), await signedInHere(), browser()]
  await byWallet(other, newKey())
  const csrf = (await own.get('/sign-in')).field('csrf')
  await own.post('/sign-out', { csrf, everywhere: 'yes' })
  expect([await isSignedIn(lost), await isSignedIn(own)]).toEqual([false, false])
  expect(await isSignedIn(other)).toBe(true)
})

test('of the cookie only its sha256 is in the database', async () => {
  const victim = await signedInHere()
  const rows = await cloud.jack.db.selectFrom('sign_in').selectAll().execute()
  const secret = victim.cookies.get('jack') as string
  expect(rows.some((it) => it.hash.toString('hex') === cloud.jack.sha256(secret))).toBe(true)
  expect(JSON.stringify(rows)).not.toContain(secret)
})

test.each([
  '//evil.example',
  'https://evil.example/',
  '/\\evil.example',
  '/.//evil.example',
  'javascript:alert(1)',
])('nobody is sent on to %s', async (next) => {
  const it = browser()
  const page = await it.get(`/sign-in?next=${encodeURIComponent(next)}`)
  expect(page.text).not.toContain('evil')
  const done = await it.post('/sign-in/local', { csrf: page.field('csrf'), next })
  expect(done.location).toBe('/sign-in')
  const known = await it.get(`/sign-in?next=${encodeURIComponent(next)}`)
  expect(known.text).not.toContain('evil')
})

test('what is asked for comes back as text, never as HTML', async () => {
  const page = await browser().get(
    `/sign-in?next=${encodeURIComponent('/"><script>alert(1)</script>')}`,
  )
  expect(page.text).not.toContain('<script>alert')
})

describe('a message that a wallet signed', () => {
  test('signs in once', async () => {
    const it = browser()
    await it.get('/sign-in')
    const before = it.cookies.get('jack') as string
    const { done, sent } = await byWallet(it, newKey())
    expect(done.status).toBe(303)
    await it.post('/sign-out', { csrf: (await it.get('/sign-in')).field('csrf') })
    // The very browser that asked, and all that it sent.
    it.cookies.set('jack', before)
    const again = await it.post('/sign-in/wallet/signed', sent)
    expect(again.status).toBe(401)
    expect(await isSignedIn(it)).toBe(false)
  })

  test('is of no use in another browser, also a minute later', async () => {
    const wallet = newKey()
    const victim = browser()
    const page = await victim.get('/sign-in')
    const asked = await victim.post('/sign-in/wallet', {
      csrf: page.field('csrf'),
      address: wallet.address,
    })
    const signature = await wallet.signMessage({ message: messageIn(asked) })
    const thief = browser()
    const csrf = (await thief.get('/sign-in')).field('csrf')
    const stolen = await thief.post('/sign-in/wallet/signed', {
      csrf,
      nonce: asked.field('nonce'),
      signature,
    })
    expect(stolen.status).toBe(401)
    // And nothing was used up by it.
    const done = await victim.post('/sign-in/wallet/signed', {
      csrf: page.field('csrf'),
      nonce: asked.field('nonce'),
      signature,
    })
    expect(done.status).toBe(303)
  })

  test('is of no use when it is too old', async () => {
    const wallet = newKey()
    const it = browser()
    const csrf = (await it.get('/sign-in')).field('csrf')
    const asked = await it.post('/sign-in/wallet', { csrf, address: wallet.address })
    const signature = await wallet.signMessage({ message: messageIn(asked) })
    const nonce = asked.field('nonce')
    await cloud.jack.db
      .updateTable('nonce')
      .set({ expires_at: new Date(Date.now() - 1) })
      .where('nonce', '=', nonce)
      .execute()
    expect((await it.post('/sign-in/wallet/signed', { csrf, nonce, signature })).status).toBe(401)
  })

  test('must be the very one that was asked for: of this server, this statement, this chain, this wallet', async () => {
    const wallet = newKey()
    const it = browser()
    const csrf = (await it.get('/sign-in')).field('csrf')
    const signing = async (change: (message: string) => string, signer = wallet) => {
      const asked = await it.post('/sign-in/wallet', { csrf, address: wallet.address })
      const signature = await signer.signMessage({ message: change(messageIn(asked)) })
      const nonce = asked.field('nonce')
      return (await it.post('/sign-in/wallet/signed', { csrf, nonce, signature })).status
    }
    const host = new URL(cloud.url).host
    expect(await signing((text) => text.replace(host, 'evil.example'))).toBe(401)
    expect(await signing((text) => text.replace(/URI: \S+/, 'URI: https://evil.example'))).toBe(401)
    expect(await signing((text) => text.replace('Sign in to Jack', 'Attach my projects'))).toBe(401)
    expect(await signing((text) => text.replace(/Chain ID: \d+/, 'Chain ID: 1'))).toBe(401)
    expect(await signing((text) => text.replace(/Nonce: \w+/, 'Nonce: 00000000'))).toBe(401)
    expect(await signing((text) => text, newKey())).toBe(401)
    expect(await signing((text) => text)).toBe(303)
  })

  test('needs a signature in its one form, and no junk brings the server down', async () => {
    const it = browser()
    const csrf = (await it.get('/sign-in')).field('csrf')
    for (const signature of [
      '',
      '0x',
      `0x${'00'.repeat(65)}`,
      `0x01${'ff'.repeat(129)}`,
      `0x${'a'.repeat(60_000)}`,
    ]) {
      const asked = await it.post('/sign-in/wallet', { csrf, address: newKey().address })
      const nonce = asked.field('nonce')
      expect((await it.post('/sign-in/wallet/signed', { csrf, nonce, signature })).status).toBe(401)
    }
    for (const address of ['', '0x', 'local', `0x${'g'.repeat(40)}`])
      expect((await it.post('/sign-in/wallet', { csrf, address })).status).toBe(400)
  })
})

describe('the way to GitHub and back', () => {
  test('ends in the browser where it began, and once', async () => {
    const attacker = browser()
    const path = await wayBack(attacker)
    const victim = browser()
    await victim.get('/sign-in')
    expect((await victim.get(path)).status).toBe(401)
    expect(await isSignedIn(victim)).toBe(false)
    expect((await attacker.get(path)).status).toBe(303)
    expect((await attacker.get(path)).status).toBe(401)
  })

  test('does not take the code of another way', async () => {
    const attacker = new URLSearchParams((await wayBack(browser())).split('?')[1])
    const victim = browser()
    const [path, query] = (await wayBack(victim)).split('?')
    const mixed = new URLSearchParams(query)
    mixed.set('code', attacker.get('code') as string)
    expect((await victim.get(`${path}?${mixed}`)).status).toBe(401)
    expect(await isSignedIn(victim)).toBe(false)
  })

  test('does not take the nonce of a wallet for its state', async () => {
    const it = browser()
    const csrf = (await it.get('/sign-in')).field('csrf')
    const asked = await it.post('/sign-in/wallet', { csrf, address: newKey().address })
    const back = await it.get(`/sign-in/github/callback?code=a&state=${asked.field('nonce')}`)
    expect(back.status).toBe(401)
    for (const query of ['', '?code=a', '?state=', '?state=a&state=b&code=c'])
      expect((await it.get(`/sign-in/github/callback${query}`)).status).toBe(401)
  })
})

test('the one click of a local cloud is for who sits there, and for nobody who comes through a proxy', async () => {
  const it = secureBrowser()
  const page = await it.get('/sign-in', { 'x-forwarded-for': '127.0.0.1' })
  expect(page.text).not.toContain('on this machine')
  for (const from of ['127.0.0.1', '203.0.113.7']) {
    const tried = await it.post(
      '/sign-in/local',
      { csrf: page.field('csrf') },
      { 'x-forwarded-for': from },
    )
    expect(tried.status).toBe(403)
  }
})

test('through a tunnel that ends at a local cloud nobody has the one click', async () => {
  for (const header of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip']) {
    const it = browser()
    const through = { [header]: '203.0.113.7' }
    const page = await it.get('/sign-in', through)
    expect(page.text).not.toContain('on this machine')
    const tried = await it.post('/sign-in/local', { csrf: page.field('csrf') }, through)
    expect(tried.status).toBe(403)
  }
})

test('who tries signing in without end waits, and nobody else does', async () => {
  const it = secureBrowser()
  const from = { 'x-forwarded-for': '203.0.113.9' }
  const { status } = await it.get('/sign-in', from)
  expect(status).toBe(200)
  const tries = await Promise.all(
    Array.from({ length: 40 }, () => it.get('/sign-in/github/callback?state=a&code=b', from)),
  )
  const refused = tries.filter((it) => it.status === 429)
  expect(refused).toHaveLength(10)
  expect(refused[0]?.headers['retry-after']).toMatch(/^\d+$/)
  expect(
    (await it.get('/sign-in/github/callback?state=a', { 'x-forwarded-for': '203.0.113.10' }))
      .status,
  ).toBe(401)
})
