import { Mppx, tempo } from 'mppx/client'
import type { PrivateKeyAccount } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { balanceOf, clientOf, newWallet, testChain } from '../payments/localnet/testing.ts'
import { audit } from '../store/ledgerAudit.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { reconcile } from '../verbs/reconcile.ts'

const chain = testChain()
let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: (await chain()).rpcUrl })
})
afterAll(async () => {
  expect(await audit(cloud.jack.db)).toEqual([])
  await cloud.close()
})

/** A wallet that opens a session with its first purchase, or that pays each with a transaction. */
async function wallet(it: { account?: PrivateKeyAccount; charges?: boolean } = {}) {
  const account = it.account ?? (await newWallet(await chain()))
  const client = clientOf(await chain(), account)
  const getClient = () => client
  const mppx = Mppx.create({
    polyfill: false,
    methods: [
      ...(it.charges ? [] : [tempo.session({ account, getClient, maxDeposit: '50' })]),
      tempo.charge({ account, getClient }),
    ],
  })
  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await mppx.fetch(`${cloud.url}${path}`, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    })
    return { status: answer.status, json: await answer.json() }
  }
  const run = () => ask('POST', '/execute', { code: 'export const run = () => 1' })
  /** Once everything that was delivered is captured, which happens a moment later. */
  const sessions = async () => {
    const list = async () => (await ask('GET', '/v1/sessions')).json.sessions
    const isHeld = (it: { held_usd: string }) => it.held_usd !== '0.000000'
    await expect.poll(async () => (await list()).some(isHeld)).toBe(false)
    return list()
  }
  return { account, ask, run, sessions, has: async () => balanceOf(await chain(), account.address) }
}

test('a wallet sees its session, closes it, and has everything back that was not delivered', async () => {
  const { account, ask, run, sessions, has } = await wallet()
  for (let i = 0; i < 3; i++) expect((await run()).status).toBe(200)
  await ask('POST', '/v1/balance', { amount_usd: '1.5' })
  const [open] = await sessions()
  expect(open).toEqual({
    session_id: expect.stringMatching(/^ses_/),
    channel_id: expect.stringMatching(/^0x[0-9a-f]{64}$/),
    payer: account.address.toLowerCase(),
    status: 'open',
    deposit_usd: '5.000000',
    authorized_usd: '1.530000',
    spent_usd: '0.030000',
    held_usd: '0.000000',
    unused_usd: '1.500000',
    opened_at: expect.any(String),
    used_at: expect.any(String),
    closed_at: null,
    close: null,
    chain_id: 1337,
    open_tx_hash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
  })
  const before = await has()
  const closed = await ask('POST', `/v1/sessions/${open.session_id}/close`)
  expect(closed).toEqual({
    status: 200,
    json: {
      ...open,
      status: 'closed',
      unused_usd: '0.000000',
      closed_at: expect.any(String),
      close: {
        tx_hash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
        captured_usd: '0.030000',
        refunded_usd: '4.970000',
      },
    },
  })
  expect((await has()) - before).toBe(4_970_000n)
  expect(await sessions()).toEqual([closed.json])
  expect(await ask('POST', `/v1/sessions/${open.channel_id}/close`)).toEqual(closed)
  expect((await ask('GET', '/v1/balance')).json.balance_usd).toBe('0.000000')
})

test('whatever wallets paid, books and chain agree about it', async () => {
  const { ask, run, sessions } = await wallet()
  await run()
  await ask('POST', '/v1/balance', { amount_usd: '0.5' })
  const [{ session_id }] = await sessions()
  await ask('POST', `/v1/sessions/${session_id}/close`)
  const other = await wallet({ charges: true })
  expect((await other.run()).status).toBe(200)
  expect((await (await wallet()).run()).status).toBe(200)
  const { differences, totals } = await reconcile(cloud.jack)
  expect(differences).toEqual([])
  expect(totals).toMatchObject({ chargedMicroUsd: 10_000n })
  expect(totals.incomeMicroUsd).toBe(totals.settledMicroUsd + totals.chargedMicroUsd)
})

test('nobody sees or closes the session of somebody else', async () => {
  const owner = await wallet()
  await owner.run()
  const [session] = await owner.sessions()
  const stranger = await wallet()
  expect(await stranger.sessions()).toEqual([])
  const { session_id, channel_id } = session
  for (const id of [session_id, channel_id, 'ses_unknown', "'"]) {
    for (const answer of [
      await stranger.ask('POST', `/v1/sessions/${id}/close`),
      await cloud.api('POST', `/v1/sessions/${id}/close`),
    ])
      expect(answer).toMatchObject({ status: 404, json: { code: 'not_found' } })
  }
  expect((await cloud.api('GET', '/v1/sessions')).json.sessions).toEqual([])
  const nobody = { authorization: 'Bearer jkt_none' }
  const answer = await cloud.api('POST', `/v1/sessions/${session_id}/close`, undefined, nobody)
  expect(answer.status).toBe(401)
  expect(await owner.sessions()).toEqual([session])
})

test('a token that may only read, or is confined to a project, closes nothing', async () => {
  const files = { 'index.js': 'export default { fetch: () => new Response() }' }
  expect((await cloud.api('POST', '/deploy', { name: 'one', files })).status).toBe(201)
  for (const it of [{ scopes: ['read'] }, { scopes: ['admin'], project: 'one' }]) {
    const { json } = await cloud.api('POST', '/v1/tokens', { name: 'weak', ...it })
    const headers = { authorization: `Bearer ${json.token}` }
    expect((await cloud.api('GET', '/v1/sessions', undefined, headers)).status).toBe(200)
    const close = await cloud.api('POST', '/v1/sessions/ses_1/close', undefined, headers)
    expect(close).toMatchObject({ status: 403, json: { code: 'forbidden' } })
  }
})

test('sessions come page by page, newest first', async () => {
  const { account, ask } = await wallet()
  for (let i = 0; i < 3; i++) {
    const device = await wallet({ account })
    await device.run()
    const [{ session_id }] = await device.sessions()
    await device.ask('POST', `/v1/sessions/${session_id}/close`)
  }
  const first = (await ask('GET', '/v1/sessions?limit=2')).json
  const rest = (await ask('GET', `/v1/sessions?limit=2&cursor=${first.next_cursor}`)).json
  const ids = [...first.sessions, ...rest.sessions].map((it) => it.session_id)
  expect(ids).toEqual(ids.toSorted().reverse())
  expect([first.sessions.length, rest.sessions.length, rest.next_cursor]).toEqual([2, 1, null])
})
