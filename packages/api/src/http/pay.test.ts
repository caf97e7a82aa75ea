import { localFetch } from '@jackcloud/sdk/node'
import { sql } from 'kysely'
import { Mppx, tempo } from 'mppx/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { JackError } from '../Errors.ts'
import { balanceOf, clientOf, newWallet, testChain } from '../payments/localnet/testing.ts'
import { findByAddress } from '../store/accounts.ts'
import { audit } from '../store/ledgerAudit.ts'
import { list } from '../store/sessions.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

const chain = testChain()
let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: (await chain()).rpcUrl })
})
afterAll(async () => {
  expect(await audit(cloud.jack.db)).toEqual([])
  await cloud.close()
})

async function payer(methods: 'session' | 'charge' | 'both' = 'both', microUsd?: bigint) {
  const account = await newWallet(await chain(), microUsd)
  const client = clientOf(await chain(), account)
  const getClient = () => client
  const mppx = Mppx.create({
    polyfill: false,
    fetch: localFetch as typeof globalThis.fetch,
    methods: [
      ...(methods === 'charge' ? [] : [tempo.session({ account, getClient, maxDeposit: '50' })]),
      ...(methods === 'session' ? [] : [tempo.charge({ account, getClient })]),
    ],
  })
  const fetch = (method: string, path: string, body?: unknown, headers = {}) =>
    mppx.fetch(`${cloud.url}${path}`, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  return { account, fetch, mppx }
}

/** Of a wallet, as the ledger has them. */
async function sessionsOf({ address }: { address: string }) {
  const account = await findByAddress(cloud.jack.db, address.toLowerCase())
  return account ? list(cloud.jack.db, account.accountId, { limit: 10 }) : []
}

const program = { code: 'export const run = (n) => n * 2', input: 21 }

test('a wallet that nobody knows runs a program, and pays by a session', async () => {
  const { fetch } = await payer('session')
  for (let i = 0; i < 3; i++) {
    const answer = await fetch('POST', '/execute', program)
    expect(await answer.json()).toMatchObject({ result: 42, charged_usd: '0.010000' })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('payment-receipt')).toBeTruthy()
  }
})

test('a wallet pays one program with one transaction', async () => {
  const { fetch } = await payer('charge')
  const answer = await fetch('POST', '/execute', program)
  expect(await answer.json()).toMatchObject({ result: 42, charged_usd: '0.010000' })
})

test('a wallet deploys, funds, looks and deletes', async () => {
  const { fetch } = await payer('both')
  const deployed = await fetch('POST', '/deploy', {
    name: 'mine',
    files: { 'index.js': 'export default { fetch: () => new Response("hi") }' },
  })
  const { url, name } = await deployed.json()
  expect(deployed.status).toBe(201)
  expect((await cloud.live(url)).text).toBe('hi')
  const funded = await fetch('POST', '/v1/balance', { amount_usd: '1' })
  expect(await funded.json()).toMatchObject({ balance_usd: '1.000000', added_usd: '1.000000' })
  const listed = await fetch('GET', '/v1/projects')
  expect((await listed.json()).projects).toMatchObject([{ name }])
  expect((await fetch('DELETE', `/v1/projects/${name}`)).status).toBe(200)
})

const hello = (text: string) => ({
  files: {
    'index.js': `export default { fetch: (req) => new Response(${JSON.stringify(text)} + (req.headers.get('authorization') ?? '')) }`,
  },
})

/** Until its account has nothing left and it is suspended for it. */
async function starve(url: string, projectId: string) {
  await sql`update project set included_micro_usd = 0 where project_id = ${projectId}`.execute(
    cloud.jack.db,
  )
  await expect
    .poll(async () => (await cloud.live(url)).status, { timeout: 10_000, interval: 100 })
    .toBe(402)
}

test('a suspended app is paid for by whoever asks it, and answers', async () => {
  const owner = await payer()
  const deployed = await owner.fetch('POST', '/deploy', { name: 'poor', ...hello('alive') })
  const { url, project_id } = await deployed.json()
  await starve(url, project_id)
  const refused = await cloud.live(url)
  expect(refused.headers['www-authenticate']).toMatch(/intent="session".*intent="charge"/)
  expect(refused.json).toMatchObject({ code: 'project_suspended', suspension: 'balance' })

  const stranger = await payer()
  const answer = await stranger.mppx.fetch(url)
  expect(await answer.text()).toBe('alive')
  expect(answer.headers.get('payment-receipt')).toBeTruthy()
  const mine = await owner.fetch('GET', '/v1/balance', undefined)
  expect(await mine.json()).toMatchObject({ balance_usd: '0.100000' })
  const theirs = await stranger.fetch('GET', '/v1/receipts')
  expect((await theirs.json()).receipts).toMatchObject([
    { reason: 'fund', of: 'session', amount_usd: '-0.100000' },
  ])
})

test('anybody funds any project by its URL, and it goes on in under a second', async () => {
  const owner = await payer('session')
  const deployed = await owner.fetch('POST', '/deploy', { name: 'waits', ...hello('on') })
  const { url, project_id } = await deployed.json()
  await starve(url, project_id)
  const stranger = await payer('charge')
  const funded = await stranger.fetch('POST', '/v1/balance', { amount_usd: '0.25', project: url })
  expect(await funded.json()).toEqual({ added_usd: '0.250000', resumed: ['waits'] })
  expect((await cloud.live(url)).text).toBe('on')
})

test('a deploy that is paid once lives for 24 hours', async () => {
  const { fetch } = await payer('charge')
  const answer = await fetch('POST', '/deploy', { name: 'once', ...hello('once') })
  const deployed = await answer.json()
  expect(deployed).toMatchObject({ ttl_hours: 24, charged_usd: '0.100000' })
  expect(Date.parse(deployed.expires_at) - Date.now()).toBeGreaterThan(23.9 * 3_600_000)
})

test('what can not be bundled costs nothing, and opens no channel', async () => {
  const { account, fetch } = await payer('session')
  const answer = await fetch('POST', '/execute', { code: 'export const run = (' })
  expect(answer.status).toBe(422)
  expect(await sessionsOf(account)).toEqual([])
})

test('a session that is closed is gone, for a program under a key as for a deploy', async () => {
  const { account, fetch } = await payer('both')
  await fetch('POST', '/execute', program)
  const [session] = await sessionsOf(account)
  expect((await fetch('POST', `/v1/sessions/${session?.sessionId}/close`)).status).toBe(200)
  for (const again of [
    await fetch('POST', '/execute', program, { 'idempotency-key': 'again' }),
    await fetch('POST', '/deploy', hello('again')),
  ]) {
    expect(again.status).toBe(410)
    expect((await again.json()).type).toMatch(/session\/channel-finalized$/)
  }
})

test('more that was deposited, and that nobody noted, is found when a voucher needs it', async () => {
  const { account, fetch } = await payer('session')
  await fetch('POST', '/execute', program)
  const [session] = await sessionsOf(account)
  await sql`update session set deposit_micro_usd = 10000 where session_id = ${session?.sessionId}`.execute(
    cloud.jack.db,
  )
  for (const key of [{}, { 'idempotency-key': 'more' }])
    expect((await fetch('POST', '/execute', program, key)).status).toBe(200)
  expect((await fetch('POST', '/v1/balance', { amount_usd: '1' })).status).toBe(200)
  expect((await sessionsOf(account))[0]?.depositMicroUsd).toBe(5_000_000n)
})

test('who signs another charge for what was asked under the same key pays once', async () => {
  const { account, fetch } = await payer('charge')
  const { engine } = cloud.jack
  const { execute } = engine
  engine.execute = async () => {
    engine.execute = execute
    throw new JackError('unavailable', 'There is no room.')
  }
  const key = { 'idempotency-key': 'once' }
  expect((await fetch('POST', '/execute', program, key)).status).toBe(503)
  const before = await balanceOf(await chain(), account.address)
  const again = await fetch('POST', '/execute', program, key)
  expect(await again.json()).toMatchObject({ result: 42, charged_usd: '0.010000' })
  expect(await balanceOf(await chain(), account.address)).toBe(before)
  // Under another key it is another request.
  await fetch('POST', '/execute', program, { 'idempotency-key': 'twice' })
  expect(await balanceOf(await chain(), account.address)).toBeLessThan(before)
})

test('a hundred calls at once on one session are all answered, and each is paid once', async () => {
  const { account, fetch } = await payer('session')
  await fetch('POST', '/execute', program)
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, input) => fetch('POST', '/execute', { ...program, input })),
  )
  expect(await Promise.all(answers.map(async (it) => (await it.json()).result))).toEqual(
    Array.from({ length: 100 }, (_, i) => i * 2),
  )
  await expect
    .poll(() => sessionsOf(account))
    .toMatchObject([{ committedMicroUsd: 1_010_000n, heldMicroUsd: 0n }])
})
