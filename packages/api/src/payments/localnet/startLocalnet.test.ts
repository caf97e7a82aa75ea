import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Mppx as Client, tempo as paying } from 'mppx/client'
import { tempo as charging, Mppx as Server, Store } from 'mppx/server'
import { Session } from 'mppx/tempo'
import { type Account, createClient, type Hex, http } from 'viem'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Localnet, startLocalnet } from './startLocalnet.ts'
import { balanceOf, clientOf, newWallet, testChain } from './testing.ts'

const { Chain } = Session.Precompile
const chain = testChain()

/** A server that charges, and a wallet's fetch that pays: both of them mppx as it is. */
function shop(net: Localnet, payee: Account, payer: Account) {
  const client = clientOf(net, payee)
  const terms = {
    account: payee,
    currency: net.token,
    recipient: payee.address,
    chainId: net.chainId,
    getClient: () => client,
    store: Store.memory(),
  }
  const server = Server.create({
    secretKey: 'a secret of at least 32 characters',
    realm: '127.0.0.1',
    methods: [
      charging.charge(terms),
      charging.session({ ...terms, unitType: 'call', suggestedDeposit: '5' }),
    ],
  })
  const opened: Hex[] = []
  const getClient = () => clientOf(net, payer)
  const wallet = Client.create({
    polyfill: false,
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const result = request.url.endsWith('/charge')
        ? await server.charge({ amount: '0.01', scope: 'charge' })(request)
        : await server.session({ amount: '0.05', scope: 'session' })(request)
      return result.status === 402 ? result.challenge : result.withReceipt(Response.json({}))
    },
    methods: [
      paying.charge({ account: payer, getClient }),
      paying.session({
        account: payer,
        getClient,
        maxDeposit: '50',
        onChannelUpdate: ({ channelId }) => void opened.push(channelId),
      }),
    ],
  })
  return {
    buy: async (path: 'charge' | 'session') => {
      const { status } = await wallet.fetch(`http://127.0.0.1/${path}`, {
        method: 'POST',
        body: '{}',
      })
      return status
    },
    channelId: () => opened[0] as Hex,
  }
}

test('mppx charges, and opens a channel, on a chain that was never told about it', async () => {
  const net = await chain()
  expect(net).toMatchObject({ chainId: 1337, reserve: 'stand-in' })
  const payee = await newWallet(net, 0n)
  const payer = await newWallet(net)
  const { buy, channelId } = shop(net, payee, payer)
  expect(await buy('charge')).toBe(200)
  expect(await balanceOf(net, payee.address)).toBe(10_000n)
  expect(await buy('session')).toBe(200)
  expect(await buy('session')).toBe(200)
  expect(await Chain.getChannelState(clientOf(net, payer), channelId())).toEqual({
    settled: 0n,
    deposit: 5_000_000n,
    closeRequestedAt: 0,
  })
})

describe('what is kept', () => {
  test('balances, channels and receipts are there after a restart, and it goes on', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'jack-chain-'))
    onTestFinished(() => rm(dataDir, { recursive: true }))
    const first = await startLocalnet({ dataDir })
    onTestFinished(first.stop)
    const payee = await newWallet(first, 0n)
    const payer = await newWallet(first)
    const { buy, channelId } = shop(first, payee, payer)
    expect(await buy('session')).toBe(200)
    const balance = await balanceOf(first, payer.address)
    await first.stop()

    const second = await startLocalnet({ dataDir })
    onTestFinished(second.stop)
    expect(await balanceOf(second, payer.address)).toBe(balance)
    const client = clientOf(second, payer)
    expect((await Chain.getChannelState(client, channelId())).deposit).toBe(5_000_000n)
    expect(await shop(second, payee, payer).buy('charge')).toBe(200)
  })
})

test('strangers cannot bend the rules of the chain', async () => {
  const { rpcUrl } = await chain()
  const stranger = createClient({ transport: http(rpcUrl, { retryCount: 0 }) })
  const request = stranger.request as (it: object) => Promise<unknown>
  const dev = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
  for (const [method, ...params] of [
    ['anvil_setBalance', dev, '0x1'],
    ['anvil_setStorageAt', dev, '0x0', '0x0'],
    ['evm_increaseTime', 1],
    ['hardhat_impersonateAccount', dev],
    ['eth_sendTransaction', { from: dev, to: dev }],
    ['eth_sendUnsignedTransaction', { from: dev, to: dev }],
    ['eth_sign', dev, '0x00'],
    ['debug_traceCall', {}],
  ])
    await expect(request({ method, params })).rejects.toThrow(`does not offer ${method}`)
})
