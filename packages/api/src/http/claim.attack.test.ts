import { createJack } from '@jackcloud/sdk'
import { localFetch } from '@jackcloud/sdk/node'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { walletPayer } from '../Payer.ts'
import type { Project } from '../Project.ts'
import { newWallet, testChain } from '../payments/localnet/testing.ts'
import type { Hex } from '../Session.ts'
import * as projects from '../store/projects.ts'
import { Browser } from '../testing/browser.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { person } from '../testing/people.ts'
import { byWallet } from '../testing/signIn.ts'
import { changeSettings } from '../verbs/change-settings.ts'
import { claimUrlOf } from '../verbs/claim-link.ts'
import { deleteProject } from '../verbs/delete-project.ts'
import { promote } from '../verbs/promote.ts'
import { renew } from '../verbs/renew.ts'
import { updateEnv } from '../verbs/update-env.ts'

// What somebody tries who wants projects that are not his, or a balance that is not his to pay for what is.

const chain = testChain()
const logged: string[] = []
let cloud: TestCloud
beforeAll(async () => {
  const { rpcUrl } = await chain()
  const log = pino({ level: 'trace' }, { write: (line: string) => void logged.push(line) })
  cloud = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: rpcUrl }, log)
})
afterAll(() => cloud.close())

const fetch = localFetch as typeof globalThis.fetch
const page = { 'index.html': 'a page' }

async function agent() {
  const account = await newWallet(await chain())
  const { rpcUrl } = await chain()
  return { account, jack: createJack({ url: cloud.url, account, fetch, rpcUrl, pay: 'session' }) }
}

const clientFor = (token: string) => createJack({ url: cloud.url, token, fetch, retries: 0 })

let people = 0
async function newPerson() {
  const it = await person(cloud, `someone-${++people}`)
  return { ...it, jack: clientFor(it.token) }
}

/** A project of a wallet, and what the wallet signs so that somebody gets it. */
async function signedFor(to: Awaited<ReturnType<typeof newPerson>>, name: string) {
  const { account, jack } = await agent()
  const made = await jack.deploy({ name, files: page })
  const { nonce, message } = await to.jack.claims.prepare({ address: account.address })
  return {
    account,
    jack,
    made,
    message,
    sent: { nonce, signature: await account.signMessage({ message }) },
  }
}

const unauthorized = { code: 'unauthorized' }

test('a signature gives to the account that it names, and to nobody who saw it', async () => {
  const [bob, mallory] = [await newPerson(), await newPerson()]
  const { sent, message } = await signedFor(bob, 'seen')
  expect(message).toContain(`to the account "${bob.account.slug}" (${bob.account.accountId})`)
  await expect(mallory.jack.claims.complete(sent)).rejects.toMatchObject(unauthorized)
  expect(await bob.jack.claims.complete(sent)).toMatchObject({ claimed: [{ name: 'seen' }] })
})

test('a signature counts once, also when it is sent ten times at once', async () => {
  const bob = await newPerson()
  const { sent, jack } = await signedFor(bob, 'again')
  const answers = await Promise.allSettled(
    Array.from({ length: 10 }, () => bob.jack.claims.complete(sent)),
  )
  expect(answers.filter((it) => it.status === 'fulfilled')).toHaveLength(1)
  // What the wallet deploys after it stays the wallet's.
  await jack.deploy({ name: 'later', files: page })
  await expect(bob.jack.claims.complete(sent)).rejects.toMatchObject(unauthorized)
})

test('what a wallet signed to sign in with gives nothing away, and the other way round', async () => {
  const bob = await newPerson()
  const { account, made } = await signedFor(bob, 'mixed')
  const browser = new Browser(cloud.url)
  const { sent } = await byWallet(browser, account)
  const { nonce, signature } = sent as { nonce: string; signature: string }
  await expect(bob.jack.claims.complete({ nonce, signature })).rejects.toMatchObject(unauthorized)
  const fresh = await bob.jack.claims.prepare({ address: account.address })
  await expect(bob.jack.claims.complete({ nonce: fresh.nonce, signature })).rejects.toMatchObject(
    unauthorized,
  )

  const { nonce: claimNonce, message } = await bob.jack.claims.prepare({ address: account.address })
  const other = new Browser(cloud.url)
  const csrf = (await other.get('/sign-in')).field('csrf')
  const tried = await other.post('/sign-in/wallet/signed', {
    csrf,
    nonce: claimNonce,
    signature: await account.signMessage({ message }),
  })
  expect(tried.status).toBe(401)
  expect((await cloud.live(made.url)).status).toBe(200)
})

test('nobody signs for a wallet that he has not, nor a text with another account in it', async () => {
  const [bob, mallory] = [await newPerson(), await newPerson()]
  const { account, jack } = await agent()
  await jack.deploy({ name: 'wanted', files: page })
  const own = await agent()
  const prepare = () => mallory.jack.claims.prepare({ address: account.address })
  const first = await prepare()
  const forged = await own.account.signMessage({ message: first.message })
  await expect(
    mallory.jack.claims.complete({ nonce: first.nonce, signature: forged }),
  ).rejects.toMatchObject(unauthorized)
  // Bob's wallet was asked to give to Bob, and Mallory would have it.
  const second = await prepare()
  const forBob = second.message
    .replaceAll(mallory.account.slug, bob.account.slug)
    .replaceAll(mallory.account.accountId, bob.account.accountId)
  const signature = await account.signMessage({ message: forBob })
  await expect(
    mallory.jack.claims.complete({ nonce: second.nonce, signature }),
  ).rejects.toMatchObject(unauthorized)
  expect((await jack.projects.get('wanted')).name).toBe('wanted')
})

test('by its id nobody gets a project of another wallet, or of another account', async () => {
  const bob = await newPerson()
  const victim = await (await agent()).jack.deploy({ name: 'victim', files: page })
  const own = await agent()
  await own.jack.deploy({ name: 'own', files: page })
  const answer = await bob.jack.claims.attach(own.account, [victim.project_id, 'own'])
  expect(answer.claimed.map((it) => it.name)).toEqual(['own'])
  expect(answer.refused).toEqual([
    { name: victim.project_id, reason: 'The wallet has no such project.' },
  ])
})

test('a token that may not do everything claims nothing', async () => {
  const bob = await newPerson()
  const { account, jack } = await agent()
  await jack.deploy({ name: 'big', files: page })
  await bob.jack.projects.create({ name: 'mine' })
  for (const request of [
    { name: 'deploys', scopes: ['deploy' as const] },
    { name: 'confined', scopes: ['admin' as const], project: 'mine' },
  ]) {
    const { token } = await bob.jack.tokens.create(request)
    await expect(
      clientFor(token).claims.prepare({ address: account.address }),
    ).rejects.toMatchObject({ code: 'forbidden' })
    await expect(
      clientFor(token).claims.complete({ nonce: 'a', signature: '0x' }),
    ).rejects.toMatchObject({ code: 'forbidden' })
  }
})

test('who begins a deploy before the claim and ends it after changes nothing', async () => {
  const bob = await newPerson()
  const { account, jack } = await agent()
  const made = await jack.deploy({ name: 'racing', files: page })
  // The last step before the version is kept.
  const { blobs } = cloud.jack
  const sync = blobs.sync.bind(blobs)
  blobs.sync = async (sha256s) => {
    blobs.sync = sync
    await bob.jack.claims.attach(account, ['racing'])
    return sync(sha256s)
  }
  const late = jack.deploy({ name: 'racing', files: { 'index.html': 'evil' } })
  await expect(late).rejects.toMatchObject({ code: 'not_found' })
  expect((await cloud.live(made.url)).text).toBe('a page')
  expect((await bob.jack.projects.deployments('racing')).deployments).toHaveLength(1)
})

test('what the old owner asked for just before does not happen after, and he gets no link back', async () => {
  const { jack } = cloud
  const bob = await newPerson()
  const { account, jack: agents } = await agent()
  const made = await agents.deploy({ name: 'late', files: page })
  await agents.deploy({ name: 'late', files: { 'index.html': 'next' } })
  const found = (await projects.findById(jack.db, made.project_id)) as Project
  await bob.jack.claims.attach(account, ['late'])

  for (const late of [
    () => changeSettings(jack, found, { budgetMicroUsd: 0n }),
    () => updateEnv(jack, found, null, { EVIL: 'yes' }),
    () => promote(jack, found, made.deployment_id),
    () => renew(jack, found, 1),
  ])
    await expect(late()).rejects.toMatchObject({ code: 'not_found' })
  await deleteProject(jack, found)
  expect((await cloud.live(made.url)).text).toBe('next')
  expect(await bob.jack.projects.get('late')).toMatchObject({ budget_usd: null, ttl_hours: null })
  expect((await bob.jack.projects.env('late')).env).toEqual([])

  const { accountId, slug } = await jack.wallets.accountOf(account.address.toLowerCase() as Hex)
  const wallet = walletPayer({ accountId, slug }, { kind: 'balance' })
  expect(await claimUrlOf(jack, wallet, made.project_id)).toBeNull()
})

test('of many who open a link at once, one gets the project', async () => {
  const { jack } = await agent()
  const made = await jack.deploy({ name: 'raced', files: page })
  const link = new URL(made.claim_url as string).searchParams.get('link') as string
  const browsers = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const { account } = await agent()
      const it = new Browser(cloud.url)
      await byWallet(it, account)
      return it
    }),
  )
  const answers = await Promise.all(
    browsers.map(async (it) => {
      const { text } = await it.get('/sign-in')
      const csrf = /name="csrf" value="([^"]*)"/.exec(text)?.[1] as string
      return it.post('/claim', { csrf, link })
    }),
  )
  expect(answers.map((it) => it.status).toSorted()).toEqual([200, 404, 404, 404, 404, 404])
})

test('no other site, and no hostile app on a subdomain, makes anybody take a project', async () => {
  const { jack } = await agent()
  const made = await jack.deploy({ name: 'pushed', files: page })
  const path = (made.claim_url as string).slice(cloud.url.length)
  const victim = new Browser(cloud.url)
  await victim.post('/sign-in/local', { csrf: (await victim.get('/sign-in')).field('csrf') })
  const offered = await victim.get(path)
  const form = { csrf: offered.field('csrf'), link: offered.field('link') }
  const port = new URL(cloud.url).port
  const evil = { origin: `http://evil-app.localhost:${port}`, 'sec-fetch-site': 'same-site' }
  expect((await victim.post('/claim', form, evil)).status).toBe(403)
  expect((await victim.post('/claim', { link: form.link })).status).toBe(403)
  expect(offered.headers['content-security-policy']).toContain("frame-ancestors 'none'")
  // Looking at it takes nothing, however often a mail program does.
  for (let i = 0; i < 3; i++) expect((await victim.get(path)).status).toBe(200)
  expect((await jack.projects.get('pushed')).name).toBe('pushed')
})

test('a link is in no log, and in the database only as its sha256', async () => {
  const { jack } = await agent()
  const made = await jack.deploy({ name: 'quiet', files: page })
  const link = new URL(made.claim_url as string).searchParams.get('link') as string
  await new Browser(cloud.url).get(`/claim?link=${link}`)
  await expect.poll(() => logged.join('')).toContain('"path":"/claim"')
  expect(logged.join('')).not.toContain(link)
  const rows = await cloud.jack.db.selectFrom('claim_link').selectAll().execute()
  expect(rows.map((it) => it.hash.toString('hex'))).toContain(cloud.jack.sha256(link))
  expect(JSON.stringify(rows)).not.toContain(link)
})

test('a link that is too old, or none, tells nothing', async () => {
  const { jack } = await agent()
  const made = await jack.deploy({ name: 'aged', files: page })
  await cloud.jack.db
    .updateTable('claim_link')
    .set({ expires_at: new Date(Date.now() - 1) })
    .where('project_id', '=', made.project_id)
    .execute()
  const it = new Browser(cloud.url)
  for (const path of [
    (made.claim_url as string).slice(cloud.url.length),
    '/claim',
    '/claim?link=',
    `/claim?link=${'a'.repeat(43)}`,
    '/claim?link=../../etc',
  ]) {
    const seen = await it.get(path)
    expect(seen.status).toBe(404)
    expect(seen.text).not.toContain('aged')
  }
})
