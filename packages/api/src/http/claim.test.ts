import { createJack } from '@jackcloud/sdk'
import { localFetch } from '@jackcloud/sdk/node'
import { verifyBill } from '@jackcloud/sdk/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newWallet, testChain } from '../payments/localnet/testing.ts'
import { audit } from '../store/ledgerAudit.ts'
import { sealDue } from '../store/receipts.ts'
import { Browser } from '../testing/browser.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { person } from '../testing/people.ts'
import { claimByLink } from '../verbs/claim-link.ts'
import { settleRuntime } from '../verbs/settle-runtime.ts'

const chain = testChain()
let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud({
    JACK_CHAIN: 'local',
    JACK_RPC_URL: (await chain()).rpcUrl,
    JACK_OIDC_ISSUERS: 'https://ci.example',
  })
})
afterAll(async () => {
  expect(await audit(cloud.jack.db)).toEqual([])
  await cloud.close()
})

const fetch = localFetch as typeof globalThis.fetch
const app = (text: string) => ({
  'index.js': `export default { fetch: (_, env) => new Response('${text} ' + (env.SECRET ?? '')) }`,
})

/** Uses no CPU of its own. */
const page = { 'index.html': 'a page' }

/** An agent with nothing but a wallet. */
async function agent() {
  const account = await newWallet(await chain())
  const jack = createJack({
    url: cloud.url,
    account,
    fetch,
    rpcUrl: (await chain()).rpcUrl,
    pay: 'session',
  })
  return { account, jack }
}

const clientFor = (token: string) => createJack({ url: cloud.url, token, fetch })

let people = 0
const newPerson = (microUsd?: bigint) => person(cloud, `person-${++people}`, microUsd)

test('what a wallet deployed becomes an accounts own, with all that it is, at the same URL', async () => {
  const { account: wallet, jack: agents } = await agent()
  const made = await agents.deploy({ name: 'shop', files: app('shop'), env: { SECRET: 's3cret' } })
  const confined = await agents.tokens.create({ name: 'ci', scopes: ['deploy'], project: 'shop' })
  await agents.files.put('shop', { files: { 'notes.txt': 'staged' } })
  expect((await cloud.live(made.url)).text).toBe('shop s3cret')

  const bob = await newPerson()
  const bobs = clientFor(bob.token)
  const answer = await bobs.claims.attach(wallet, undefined)
  expect(answer).toMatchObject({
    claimed: [{ name: 'shop', url: made.url, project_id: made.project_id }],
    refused: [],
    balance_usd: '1.000000',
    hint: null,
  })
  expect((await cloud.live(made.url)).text).toBe('shop s3cret')
  expect((await bobs.projects.get('shop')).url).toBe(made.url)
  expect(await bobs.projects.env('shop')).toMatchObject({ env: [{ name: 'SECRET' }] })
  expect((await bobs.files.list('shop')).files).toMatchObject([{ path: 'notes.txt' }])
  expect((await bobs.tokens.list()).tokens.map((it) => it.name)).toContain('ci')

  // The wallet has it no more; a token that it made goes along.
  await expect(agents.projects.get('shop')).rejects.toMatchObject({ code: 'not_found' })
  const again = await clientFor(confined.token).deploy({ name: 'shop', files: app('next') })
  expect(again).toMatchObject({ url: made.url, created: false, charged_usd: '0.050000' })
  expect(again.claim_url).toBeUndefined()
  expect((await bobs.balance()).balance_usd).toBe('0.950000')
  expect((await cloud.live(made.url)).text).toBe('next s3cret')
  await expect(agents.deploy({ name: 'shop', files: app('mine') })).rejects.toMatchObject({
    code: 'name_taken',
    hint: expect.stringContaining('claimed'),
  })
})

test('only what is named moves, and a name that is taken stays where it is', async () => {
  const { account: wallet, jack: agents } = await agent()
  for (const name of ['one', 'two', 'three']) await agents.deploy({ name, files: app(name) })
  const bob = await newPerson(0n)
  const bobs = clientFor(bob.token)
  await bobs.projects.create({ name: 'two' })
  const answer = await bobs.claims.attach(wallet, ['one', 'two', 'none'])
  expect(answer.claimed.map((it) => it.name)).toEqual(['one'])
  expect(answer.refused).toEqual([
    { name: 'two', reason: expect.stringContaining('has a project named two already') },
    { name: 'none', reason: 'The wallet has no such project.' },
  ])
  expect(answer.hint).toContain('no balance')
  expect((await agents.projects.list()).projects.map((it) => it.name)).toEqual(['three', 'two'])
  expect((await cloud.live((await agents.projects.get('two')).url)).text).toBe('two ')
})

test('a link of a deploy gives the project to who signs in and takes it, once', async () => {
  const { jack: agents } = await agent()
  const first = await agents.deploy({ name: 'linked', files: app('one') })
  const confined = await agents.tokens.create({
    name: 'back door',
    scopes: ['admin'],
    project: 'linked',
  })
  const made = await agents.deploy({ name: 'linked', files: app('two') })
  const path = (url = '') => url.slice(cloud.url.length)
  expect(path(made.claim_url)).toMatch(/^\/claim\?link=[\w-]{43}$/)

  const it = new Browser(cloud.url)
  expect((await it.get(path(first.claim_url))).status).toBe(404)
  const offered = await it.get(path(made.claim_url))
  expect(offered.text).toContain(made.url)
  expect(offered.text).toContain('Sign in to keep it')
  const signIn = /href="(\/sign-in[^"]*)"/.exec(offered.text)?.[1] as string
  const asked = await it.get(signIn)
  const back = await it.post('/sign-in/local', {
    csrf: asked.field('csrf'),
    next: asked.field('next'),
  })
  expect(back.location).toBe(path(made.claim_url))

  const page = await it.get(path(made.claim_url))
  const form = { csrf: page.field('csrf'), link: page.field('link') }
  const taken = await it.post('/claim', form)
  expect(taken.status).toBe(200)
  expect(taken.text).toContain('linked is yours')
  expect((await cloud.live(made.url)).text).toBe('two ')
  expect((await cloud.api('GET', '/v1/projects/linked')).json).toMatchObject({
    url: made.url,
    ttl_hours: null,
  })
  expect((await it.post('/claim', form)).status).toBe(404)
  expect((await it.get(path(made.claim_url))).status).toBe(404)
  await expect(clientFor(confined.token).me()).rejects.toMatchObject({ code: 'unauthorized' })
})

test('who is trusted to deploy a project is trusted with it when it moves by a signature, and not by a link', async () => {
  const { account: wallet, jack: agents } = await agent()
  const bob = await newPerson()
  const bobs = clientFor(bob.token)
  const trusted = { issuer: 'https://ci.example', subject: 'repo:a/b' }
  for (const name of ['signed', 'given']) {
    await agents.deploy({ name, files: page })
    await agents.trusts.create({ ...trusted, project: name })
  }
  await bobs.claims.attach(wallet, ['signed'])
  const made = await agents.deploy({ name: 'given', files: { 'index.html': 'next' } })
  const secret = new URL(made.claim_url as string).searchParams.get('link') as string
  await claimByLink(cloud.jack, bob.account, secret)
  expect((await bobs.trusts.list()).trusts).toMatchObject([{ ...trusted, project: 'signed' }])
  expect((await agents.trusts.list()).trusts).toEqual([])
})

test('what is paid once and claimed lives on, as what is used', async () => {
  const account = await newWallet(await chain())
  const agents = createJack({
    url: cloud.url,
    account,
    fetch,
    rpcUrl: (await chain()).rpcUrl,
    pay: 'charge',
  })
  const made = await agents.deploy({ name: 'once', files: app('once') })
  expect(made.ttl_hours).toBe(24)
  const bobs = clientFor((await newPerson()).token)
  await bobs.claims.attach(account, ['once'])
  const now = await bobs.projects.get('once')
  expect(now.ttl_hours).toBeNull()
  expect(Date.parse(now.expires_at as string) - Date.now()).toBeGreaterThan(6 * 86_400_000)
})

test('services are looked up in the new account, also by processes that run already', async () => {
  const { account: wallet, jack: agents } = await agent()
  const caller = {
    'index.js': 'export default { fetch: (request, env) => env.OTHER.fetch(request) }',
    'wrangler.json': JSON.stringify({
      main: 'index.js',
      services: [{ binding: 'OTHER', service: 'other' }],
    }),
  }
  await agents.deploy({ name: 'other', files: app('of the wallet') })
  const made = await agents.deploy({ name: 'caller', files: caller })
  expect((await cloud.live(made.url)).text).toBe('of the wallet ')
  const bobs = clientFor((await newPerson()).token)
  await bobs.deploy({ name: 'other', files: app('of bob') })
  await bobs.claims.attach(wallet, ['caller'])
  expect((await cloud.live(made.url)).text).toBe('of bob ')
})

test('each account pays for what was used while it had the project, and both bills add up', async () => {
  const { db, receiptKey, recorder } = cloud.jack
  const [alice, bob] = [await agent(), await agent()]
  const { project_id: id, url } = await alice.jack.deploy({ name: 'busy', files: page })
  for (const { jack } of [alice, bob]) await jack.addBalance({ amount_usd: '1' })
  const spent = async ({ jack }: typeof alice) =>
    1_000_000 - Math.round(Number((await jack.balance()).balance_usd) * 1e6)
  /** 12.5 micro-USD a millisecond, and half a micro-USD a request, so that fractions are left over. */
  const use = async (cpuMs: number) => {
    recorder.cpu(id, cpuMs)
    recorder.request(id, { failed: false, durationMs: 1 })
    await recorder.flush()
  }
  await use(400)
  await use(1_000)
  await bob.jack.claims.attach(alice.account, ['busy'])
  // 17,501 of which 10,000 came with the deploy.
  expect(await spent(alice)).toBe(7_501)
  expect(await spent(bob)).toBe(0)
  await use(100)
  await use(100)
  await use(100)
  await alice.jack.claims.attach(bob.account, ['busy'])
  expect(await spent(bob)).toBe(3_751)
  await use(200)
  await bob.jack.claims.attach(alice.account, ['busy'])
  expect(await spent(alice)).toBe(7_501 + 2_500)
  expect((await cloud.live(url)).text).toBe('a page')

  await sealDue(db, receiptKey, new AbortController().signal)
  for (const { jack } of [alice, bob])
    expect(await verifyBill(await jack.bill())).toMatchObject({ ok: true })
})

test('what is left of the runtime that a deploy brought along goes along', async () => {
  const { account: wallet, jack: agents } = await agent()
  const { project_id: id } = await agents.deploy({ name: 'partly', files: page })
  const bobs = clientFor((await newPerson()).token)
  await bobs.claims.attach(wallet, ['partly'])
  const { db, receiptKey, recorder } = cloud.jack
  recorder.cpu(id, 1_000)
  await recorder.flush()
  await settleRuntime(cloud.jack)
  expect((await bobs.balance()).balance_usd).toBe('0.997500')
  await sealDue(db, receiptKey, new AbortController().signal)
  expect(await verifyBill(await bobs.bill())).toMatchObject({ ok: true })
})

test('the client lets the wallet sign nothing but the claim of this account here', async () => {
  const { account, jack: agents } = await agent()
  await agents.deploy({ name: 'wanted', files: page })
  const bob = await newPerson()
  const asking = (change: (message: string) => string) =>
    createJack({
      url: cloud.url,
      token: bob.token,
      fetch: async (url, init) => {
        const answer = await fetch(url, init)
        if (!url.endsWith('/v1/claim/message')) return answer
        const said = (await answer.json()) as { message: string }
        return Response.json({ ...said, message: change(said.message) })
      },
    }).claims.attach(account, undefined)
  const { host } = new URL(cloud.url)
  for (const change of [
    (it: string) => it.replace(host, 'other.example'),
    (it: string) => it.replace(/URI: \S+/, 'URI: https://other.example/v1/claim'),
    (it: string) => it.replace(bob.account.slug, 'mallory'),
    (it: string) => it.replace('Attach', 'Sign in to Jack with this wallet. Attach'),
    (it: string) => it.replace(/^0x\w+/m, '0x0000000000000000000000000000000000000001'),
  ])
    await expect(asking(change)).rejects.toMatchObject({ code: 'bad_answer' })
  await expect(asking((it) => it)).resolves.toMatchObject({ claimed: [{ name: 'wanted' }] })
})
