import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testChain } from '../payments/localnet/testing.ts'
import { Browser } from '../testing/browser.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { fakeGitHub } from '../testing/fakeGitHub.ts'
import { byGitHub, byWallet } from '../testing/signIn.ts'

const chain = testChain()
let github: Awaited<ReturnType<typeof fakeGitHub>>
let cloud: TestCloud
beforeAll(async () => {
  github = await fakeGitHub()
  const { rpcUrl } = await chain()
  cloud = await testCloud({ ...github.env, JACK_CHAIN: 'local', JACK_RPC_URL: rpcUrl })
})
afterAll(async () => {
  await cloud.close()
  await github.close()
})

const browser = () => new Browser(cloud.url)

test('on a machine of ones own one click signs in to its account, and another one out', async () => {
  const it = browser()
  const asked = await it.get('/sign-in?next=/oauth/authorize%3Fa%3Db')
  expect(asked.status).toBe(200)
  const done = await it.post('/sign-in/local', {
    csrf: asked.field('csrf'),
    next: asked.field('next'),
  })
  expect(done.status).toBe(303)
  expect(done.location).toBe('/oauth/authorize?a=b')
  const [cookie] = [done.headers['set-cookie'] ?? []].flat()
  expect(cookie).toMatch(/^jack=[\w-]{43}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/)

  const page = await it.get('/sign-in')
  expect(page.text).toContain('local (of this machine)')
  const out = await it.post('/sign-out', { csrf: page.field('csrf') })
  expect(out.location).toBe('/sign-in')
  expect((await it.get('/sign-in')).text).not.toContain('You are signed in')
})

test('a wallet signs a message, and the browser is signed in to the account that pays with it', async () => {
  const wallet = privateKeyToAccount(generatePrivateKey())
  const it = browser()
  const { done, message } = await byWallet(it, wallet)
  expect(done.location).toBe('/sign-in')
  expect(message).toContain(`${new URL(cloud.url).host} wants you to sign in`)
  expect(message).toContain(wallet.address)
  expect(message).toContain(`URI: ${cloud.url}/sign-in`)
  const { slug } = await cloud.jack.wallets.accountOf(wallet.address.toLowerCase() as `0x${string}`)
  expect((await it.get('/sign-in')).text).toContain(slug)
})

test('a user of GitHub gets an account with his name, the same one every time', async () => {
  const first = browser()
  expect((await byGitHub(first)).location).toBe('/sign-in')
  expect((await first.get('/sign-in')).text).toContain('<dd>octocat</dd>')
  // Logins can be changed; the number stays.
  github.visitor.login = 'octocat-renamed'
  const second = browser()
  await byGitHub(second)
  expect((await second.get('/sign-in')).text).toContain('<dd>octocat</dd>')
})

test('a name that is taken gets a tail, and names of ours are nobodys', async () => {
  const nameOf = async (id: number, login: string) => {
    Object.assign(github.visitor, { id, login })
    const it = browser()
    await byGitHub(it)
    return /<dd>([^<]*)<\/dd>/.exec((await it.get('/sign-in')).text)?.[1]
  }
  expect(await nameOf(1, 'Mona-Lisa')).toBe('mona-lisa')
  expect(await nameOf(2, 'mona-lisa')).toMatch(/^mona-lisa-[a-z0-9]{3}$/)
  expect(await nameOf(3, 'local')).toMatch(/^person-[a-z0-9]{3}$/)
  expect(await nameOf(4, 'dep-loy')).toMatch(/^person-[a-z0-9]{3}$/)
  expect(await nameOf(5, 'A'.repeat(39))).toBe('a'.repeat(22))
})

test('twenty browsers that sign in for the first time at once are one person', async () => {
  Object.assign(github.visitor, { id: 77, login: 'together' })
  const all = Array.from({ length: 20 }, browser)
  await Promise.all(all.map((it) => byGitHub(it)))
  const rows = await cloud.jack.db
    .selectFrom('identity')
    .selectAll()
    .where('subject', '=', '77')
    .execute()
  expect(rows).toHaveLength(1)
  const slugs = await cloud.jack.db
    .selectFrom('account')
    .select('slug')
    .where('slug', 'like', 'together%')
    .execute()
  expect(slugs).toEqual([{ slug: 'together' }])
})

test('who does not agree at GitHub is told so, and may try again', async () => {
  github.visitor.agrees = false
  const it = browser()
  const done = await byGitHub(it)
  expect(done.status).toBe(401)
  expect(done.text).toContain('you did not agree')
  github.visitor.agrees = true
  expect((await byGitHub(it)).status).toBe(303)
})

test('signing in another way changes who one is, and joins no accounts', async () => {
  const wallet = privateKeyToAccount(generatePrivateKey())
  Object.assign(github.visitor, { id: 88, login: 'hubber' })
  const it = browser()
  await byWallet(it, wallet)
  await byGitHub(it)
  expect((await it.get('/sign-in')).text).toContain('<dd>hubber</dd>')
  const account = await cloud.jack.wallets.accountOf(wallet.address.toLowerCase() as `0x${string}`)
  const person = await cloud.jack.db
    .selectFrom('identity')
    .select('account_id')
    .where('subject', '=', '88')
    .executeTakeFirstOrThrow()
  expect(person.account_id).not.toBe(account.accountId)
})

test('who uses a browser stays signed in, and who does not for a month is signed out', async () => {
  const it = browser()
  await it.post('/sign-in/local', { csrf: (await it.get('/sign-in')).field('csrf') })
  const { db } = cloud.jack
  const secret = it.cookies.get('jack') as string
  const hash = Buffer.from(cloud.jack.sha256(secret), 'hex')
  const endsIn = async (days: number) => {
    const expires_at = new Date(Date.now() + days * 86_400_000)
    await db.updateTable('sign_in').set({ expires_at }).where('hash', '=', hash).execute()
  }
  await endsIn(20)
  const used = await it.get('/sign-in')
  expect(used.text).toContain('You are signed in')
  expect(used.headers['set-cookie']).toContain('Max-Age=2592000')
  await endsIn(-1)
  expect((await it.get('/sign-in')).text).not.toContain('You are signed in')
})

test('people come to the one name that cookies are for', async () => {
  const { port } = new URL(cloud.url)
  const it = new Browser(cloud.url, `http://localhost:${port}`)
  const moved = await it.get('/sign-in?next=/claim')
  expect(moved.location).toBe(`${cloud.url}/sign-in?next=/claim`)
})

test('pages may load nothing, be framed by nobody, and are kept by nobody', async () => {
  const { headers } = await browser().get('/sign-in')
  expect(headers['content-security-policy']).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; img-src data:; script-src 'sha256-[^']+'; form-action 'self' http:\/\/127\.0\.0\.1:\d+; frame-ancestors 'none'; base-uri 'none'$/,
  )
  expect(headers).toMatchObject({
    'cache-control': 'no-store',
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'content-type': 'text/html; charset=utf-8',
  })
})

test('a browser that loses its way gets a page, and a program a problem', async () => {
  const page = await browser().get('/nowhere')
  expect(page.status).toBe(404)
  expect(page.headers['content-type']).toContain('text/html')
  const reader = await browser().get('/nowhere', { accept: 'text/markdown, text/html;q=0.9, */*' })
  expect(reader.headers['content-type']).toContain('problem+json')
  const problem = await cloud.api('GET', '/nowhere')
  expect(problem.json).toMatchObject({ code: 'not_found' })
})
