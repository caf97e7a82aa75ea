import { Mppx, tempo } from 'mppx/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clientOf, newWallet, testChain } from '../payments/localnet/testing.ts'
import { audit } from '../store/ledgerAudit.ts'
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
  return { account, fetch }
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
