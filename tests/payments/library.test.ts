import { tempo } from 'mppx/client'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { doubling, mppxFetch, type PaidCloud, paidCloud, type Wallet } from './paying.ts'

// The client library of mppx, and nothing of ours. The server pays for gas, so that what wallets have is exact.
vi.setConfig({ testTimeout: 120_000 })
let paid: PaidCloud
beforeAll(async () => {
  paid = await paidCloud('library', { JACK_FEE_PAYER_KEY: generatePrivateKey() })
}, 120_000)
afterAll(() => paid?.close())

const manager = ({ account }: Wallet, options: { bootstrap?: boolean; maxDeposit?: string } = {}) =>
  tempo.session.manager({
    account,
    client: paid.clientOf({ account } as Wallet),
    maxDeposit: '100',
    ...options,
  })
type Manager = ReturnType<typeof manager>

async function post(it: Manager, path: string, body: object) {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
  const answer = await it.fetch(`${paid.url}${path}`, { ...init, body: JSON.stringify(body) })
  const json = await answer.json()
  expect(answer.ok, JSON.stringify(json)).toBe(true)
  return json
}

const files = { 'index.js': 'export default { fetch: () => new Response("hi") }' }

test('twelve wallets at once: each pays what it got, to the micro-dollar, and the payee has the sum', async () => {
  const wallets = await Promise.all(Array.from({ length: 12 }, () => paid.newWallet(10_000_000n)))
  const before = await paid.balanceOf(paid.payee)
  const left = await Promise.all(
    wallets.map(async (wallet, i) => {
      const session = manager(wallet)
      const charged = mppxFetch(paid, wallet, 'charge')('POST', '/execute', doubling)
      await post(session, '/execute', doubling)
      await post(session, '/deploy', { name: `mine-${i}`, files })
      await post(session, '/v1/balance', { amount_usd: '2' })
      for (let n = 0; n < 4; n++)
        expect(await post(session, '/execute', { ...doubling, input: n })).toMatchObject({
          result: 2 * n,
        })
      expect((await charged).status).toBe(200)
      const receipt = await session.close()
      // The two dollars that were added and not used are not spent.
      expect(receipt).toMatchObject({ spent: '100000', txHash: expect.stringMatching(/^0x/) })
      return paid.balanceOf(wallet.account.address)
    }),
  )
  const each = 10_000n + 5n * 10_000n + 50_000n
  expect(left).toEqual(wallets.map(() => 10_000_000n - each))
  expect((await paid.balanceOf(paid.payee)) - before).toBe(12n * each)
})

test("a wallet that has the price and nothing else pays it: gas is the server's", async () => {
  const exact = await paid.newWallet(10_000n)
  const answer = await mppxFetch(paid, exact, 'charge')('POST', '/execute', doubling)
  expect(await answer.json()).toMatchObject({ result: 42 })
  expect(await paid.balanceOf(exact.account.address)).toBe(0n)
  const deposit = await paid.newWallet(5_000_000n)
  const opened = await mppxFetch(paid, deposit, 'session')('POST', '/execute', doubling)
  expect(opened.status).toBe(200)
  expect(await paid.balanceOf(deposit.account.address)).toBe(0n)
})

test('a session is topped up by itself when it needs more, and all of it comes back that is not spent', async () => {
  const wallet = await paid.newWallet(30_000_000n)
  const session = manager(wallet)
  await post(session, '/execute', doubling)
  expect(await paid.balanceOf(wallet.account.address)).toBe(25_000_000n)
  await post(session, '/v1/balance', { amount_usd: '4' })
  await post(session, '/v1/balance', { amount_usd: '6.5' })
  expect(await paid.balanceOf(wallet.account.address)).toBeLessThan(20_000_000n)
  await session.close()
  expect(await paid.balanceOf(wallet.account.address)).toBe(30_000_000n - 10_000n)
})

test('a client that forgot everything goes on with the session that is open', async () => {
  const wallet = await paid.newWallet(20_000_000n)
  const channels = new Set<string | undefined>()
  for (let i = 0; i < 3; i++) {
    const cold = manager(wallet, { bootstrap: true })
    await post(cold, '/execute', { ...doubling, input: i })
    await post(cold, '/v1/balance', { amount_usd: '0.5' })
    channels.add(cold.channelId)
    if (i === 2) expect(await cold.close()).toMatchObject({ spent: '30000' })
  }
  expect(channels.size).toBe(1)
  expect(await paid.balanceOf(wallet.account.address)).toBe(20_000_000n - 30_000n)
})

test('requests of one session at once are each paid once', async () => {
  const wallet = await paid.newWallet(20_000_000n)
  const fetch = mppxFetch(paid, wallet, 'session')
  await fetch('POST', '/execute', doubling)
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, input) => fetch('POST', '/execute', { ...doubling, input })),
  )
  expect(await Promise.all(answers.map(async (it) => (await it.json()).result))).toEqual(
    Array.from({ length: 10 }, (_, input) => 2 * input),
  )
  const owner = mppxFetch(paid, wallet, 'charge')
  const { sessions } = await (await owner('GET', '/v1/sessions')).json()
  expect(sessions).toMatchObject([{ spent_usd: '0.110000' }])
  const closed = await owner('POST', `/v1/sessions/${sessions[0].session_id}/close`)
  expect(await closed.json()).toMatchObject({ status: 'closed', spent_usd: '0.110000' })
  expect(await paid.balanceOf(wallet.account.address)).toBe(20_000_000n - 110_000n)
})

test('a wallet without a cent proves who it is', async () => {
  const account = privateKeyToAccount(generatePrivateKey())
  const fetch = mppxFetch(paid, { account } as Wallet, 'charge')
  expect(await (await fetch('GET', '/v1/projects')).json()).toMatchObject({ projects: [] })
})
