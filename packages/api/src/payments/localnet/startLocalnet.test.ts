import { readFileSync } from 'node:fs'
import { appendFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { Mppx as Client, tempo as paying } from 'mppx/client'
import { tempo as charging, Mppx as Server, Store } from 'mppx/server'
import { Session } from 'mppx/tempo'
import {
  type Account,
  type Address,
  createClient,
  encodeAbiParameters,
  type Hex,
  http,
  keccak256,
  pad,
  toHex,
} from 'viem'
import { generatePrivateKey, mnemonicToAccount, privateKeyToAddress } from 'viem/accounts'
import { prepareTransactionRequest, signTransaction } from 'viem/actions'
import { Actions } from 'viem/tempo'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { runChild } from '../../store/testing/child.ts'
import { type Localnet, startLocalnet } from './startLocalnet.ts'
import { balanceOf, clientOf, newWallet, openChannel, testChain } from './testing.ts'

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

test('many wallets pay at the same time, each for its own', async () => {
  const net = await chain()
  const payee = await newWallet(net, 0n)
  const payers = await Promise.all(Array.from({ length: 6 }, () => newWallet(net)))
  const shops = payers.map((payer) => shop(net, payee, payer))
  const statuses = await Promise.all(shops.flatMap(({ buy }) => [buy('session'), buy('charge')]))
  expect(statuses).toEqual(Array(12).fill(200))
  expect(await balanceOf(net, payee.address)).toBe(60_000n)
  const ids = shops.map((it) => it.channelId())
  const states = await Chain.getChannelStatesBatch(clientOf(net, payee), ids)
  expect(states.map((it) => it.deposit)).toEqual(Array(6).fill(5_000_000n))
})

test('after a while in which nobody paid, paying works at once', async () => {
  const net = await chain()
  const { buy } = shop(net, await newWallet(net, 0n), await newWallet(net))
  const block = await net.rpc('eth_blockNumber')
  await sleep(6_000)
  expect(await net.rpc('eth_blockNumber')).toBe(block)
  expect(await buy('charge')).toBe(200)
})

test('gas costs the same in every block, whoever sends while others ask', async () => {
  const net = await chain()
  const { address } = await newWallet(net, 0n)
  const numberOf = async () => Number(await net.rpc<Hex>('eth_blockNumber'))
  const first = await numberOf()
  const until = Date.now() + 5_000
  const loop = async (work: () => Promise<unknown>) => {
    while (Date.now() < until) await work()
  }
  const { rpcUrl } = net
  const ask = () => createClient({ transport: http(rpcUrl) }).request({ method: 'eth_chainId' })
  await Promise.all([loop(() => net.faucet(address, 1n)), loop(ask), loop(ask)])
  const prices = new Set<Hex>()
  for (let n = first + 1; n <= (await numberOf()); n++) {
    const block = await net.rpc<{ baseFeePerGas: Hex }>('eth_getBlockByNumber', toHex(n), false)
    prices.add(block.baseFeePerGas)
  }
  expect([...prices]).toEqual([toHex(20_000_000_000)])
})

test('who has nothing can be simulated when somebody else pays for the gas', async () => {
  const net = await chain()
  const [poor, sponsor] = [await newWallet(net, 10n), await newWallet(net)]
  const simulate = (more: object) =>
    createClient({ transport: http(net.rpcUrl) }).request({
      method: 'eth_call' as never,
      params: [
        {
          from: poor.address,
          to: net.token,
          data: `0xa9059cbb${pad(sponsor.address).slice(2)}${pad(toHex(10)).slice(2)}`,
          gas: toHex(500_000),
          maxFeePerGas: toHex(30_000_000_000),
          ...more,
        },
      ] as never,
    })
  await expect(simulate({})).rejects.toThrow('nsufficient')
  expect(await simulate({ feePayer: sponsor.address })).toBe(pad('0x1'))
})

test('the faucet gives 1,000 USD, or what was asked for, also through the RPC', async () => {
  const net = await chain()
  const address = privateKeyToAddress(generatePrivateKey())
  await net.faucet(address)
  expect(await balanceOf(net, address)).toBe(1_000_000_000n)
  await Promise.all([net.faucet(address, 1n), net.faucet(address, 1n), net.faucet(address, 1n)])
  expect(await balanceOf(net, address)).toBe(1_000_000_003n)
  const hashes = await ask(net.rpcUrl, 'tempo_fundAddress', address)
  expect(hashes).toHaveLength(2)
  expect(await balanceOf(net, address)).toBe(2_000_000_003n)
  await expect(ask(net.rpcUrl, 'tempo_fundAddress', 'me')).rejects.toThrow('needs an address')
  await expect(net.faucet('me' as Hex)).rejects.toThrow('Address "me" is invalid')
})

describe('what is kept', () => {
  test('balances, channels and receipts are there after a restart, and it goes on', async () => {
    const dataDir = await newFolder()
    const first = await start(dataDir)
    const payee = await newWallet(first, 0n)
    const payer = await newWallet(first)
    const { buy, channelId } = shop(first, payee, payer)
    expect(await buy('session')).toBe(200)
    const block = await ask(first.rpcUrl, 'eth_getBlockByNumber', 'latest', false)
    const [hash] = (block as { transactions: Hex[] }).transactions
    const balance = await balanceOf(first, payer.address)
    await first.stop()

    const second = await start(dataDir)
    expect(await balanceOf(second, payer.address)).toBe(balance)
    const client = clientOf(second, payer)
    expect((await Chain.getChannelState(client, channelId())).deposit).toBe(5_000_000n)
    expect(await ask(second.rpcUrl, 'eth_getTransactionReceipt', hash)).toMatchObject({
      status: '0x1',
    })
    expect(await shop(second, payee, payer).buy('charge')).toBe(200)
  })

  test('an account that was emptied, and a channel that was closed, stay so', async () => {
    const dataDir = await newFolder()
    const first = await start(dataDir)
    // It had tokens from the start of the chain.
    const rich = mnemonicToAccount('test test test test test test test test test test test junk', {
      addressIndex: 9,
    })
    const slot = balanceSlot(rich.address)
    await first.rpc('anvil_setStorageAt', first.token, slot, pad('0x0', { size: 32 }))
    expect(await balanceOf(first, rich.address)).toBe(0n)
    const payer = await newWallet(first)
    const { id, descriptor } = await openChannel(first, payer, { payee: payer.address })
    await Chain.closeOnChain(clientOf(first, payer), descriptor, 0n, 0n, '0x')
    await first.stop()

    const second = await start(dataDir)
    expect(await balanceOf(second, rich.address)).toBe(0n)
    const state = await Chain.getChannelState(clientOf(second, payer), id)
    expect(state).toEqual({ settled: 0n, deposit: 0n, closeRequestedAt: 0 })
  })

  test('whatever was answered to a transaction is there after a kill -9, and its nonces are used', async () => {
    const dataDir = await newFolder()
    const first = await start(dataDir)
    const payee = await newWallet(first, 0n)
    const payer = await newWallet(first)
    const { buy, channelId } = shop(first, payee, payer)
    expect(await buy('session')).toBe(200)
    expect(await buy('charge')).toBe(200)
    const raw = await signedTransfer(first, payer, payee.address)
    await ask(first.rpcUrl, 'eth_sendRawTransactionSync', raw)
    const balances = [await balanceOf(first, payer.address), await balanceOf(first, payee.address)]
    // What is on disk at this moment is what a kill leaves.
    const killed = await newFolder()
    await cp(dataDir, killed, { recursive: true })
    await appendFile(join(killed, 'chain-1337.1.journal'), '{"raw":"0x76f8')

    const second = await start(killed)
    expect([
      await balanceOf(second, payer.address),
      await balanceOf(second, payee.address),
    ]).toEqual(balances)
    const client = clientOf(second, payer)
    expect((await Chain.getChannelState(client, channelId())).deposit).toBe(5_000_000n)
    // anvil takes it, and does not do it again.
    await ask(second.rpcUrl, 'eth_sendRawTransaction', raw)
    expect(await balanceOf(second, payee.address)).toBe(balances[1])
    expect(await shop(second, payee, payer).buy('charge')).toBe(200)
  })

  test('hundreds of transactions are kept as well, and the journal of them stays short', async () => {
    const dataDir = await newFolder()
    const first = await start(dataDir)
    const address = privateKeyToAddress(generatePrivateKey())
    for (let i = 0; i < 230; i++) await first.faucet(address, 1n)
    const killed = await newFolder()
    await cp(dataDir, killed, { recursive: true })
    expect(await readdir(killed)).toEqual(['chain-1337.3.journal', 'chain-1337.3.json.gz'])
    expect(await balanceOf(await start(killed), address)).toBe(230n)
  })

  test('of blocks, the last thousand', async () => {
    const dataDir = await newFolder()
    const first = await start(dataDir)
    const payer = await newWallet(first)
    await first.rpc('anvil_mine', toHex(1_100))
    await newWallet(first)
    const block = (net: Localnet, number: Hex | 'latest') =>
      ask(net.rpcUrl, 'eth_getBlockByNumber', number, false) as Promise<Record<string, Hex> | null>
    const last = await block(first, 'latest')
    await first.stop()

    const second = await start(dataDir)
    expect(await balanceOf(second, payer.address)).toBe(1_000_000_000n)
    expect(await block(second, last?.number as Hex)).toMatchObject({ hash: last?.hash })
    expect(await block(second, toHex(100))).toBeNull()
    expect(Number((await block(second, 'latest'))?.number)).toBeGreaterThan(Number(last?.number))
    expect(await shop(second, await newWallet(second, 0n), payer).buy('charge')).toBe(200)
  })

  test('a chain of another id is another chain', async () => {
    const dataDir = await newFolder()
    const one = await start(dataDir)
    const payer = await newWallet(one)
    await one.stop()
    const other = await start(dataDir, { chainId: 42431 })
    expect(await ask(other.rpcUrl, 'eth_chainId')).toBe('0xa5bf')
    expect(await balanceOf(other, payer.address)).toBe(0n)
    await other.stop()
    expect(await balanceOf(await start(dataDir), payer.address)).toBe(1_000_000_000n)
  })

  test.each([
    ['a checkpoint that is cut off', '1.json.gz', (bytes: Buffer) => bytes.subarray(0, -100)],
    ['a checkpoint with a bit turned', '1.json.gz', flip],
    ['a checkpoint of something else', '1.json.gz', () => gzipSync('{"accounts":1}')],
    ['a checkpoint that is gone', '1.json.gz', () => undefined],
    ['a journal with a line of something else', '1.journal', () => Buffer.from('{}\n')],
    [
      'a journal with a transaction that cannot be',
      '1.journal',
      () => Buffer.from('{"raw":"0x76","at":1795290000}\n'),
    ],
  ])('%s is found out, and nothing starts anew in silence', async (_, name, damage) => {
    const dataDir = await newFolder()
    const first = await start(dataDir)
    await newWallet(first)
    const killed = await newFolder()
    await cp(dataDir, killed, { recursive: true })
    const path = join(killed, `chain-1337.${name}`)
    const content = damage(await readFile(path))
    await (content ? writeFile(path, content) : rm(path))
    const before = await readdir(killed)
    await expect(startLocalnet({ dataDir: killed })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('What the local chain keeps is damaged'),
    })
    expect(await readdir(killed)).toEqual(before)
  })
})

describe('its process', () => {
  test('does not outlive a server that is killed at any moment, and loses nothing that it answered', async () => {
    const dataDir = await newFolder()
    const address = privateKeyToAddress(generatePrivateKey())
    const rounds = 3
    let gifts = 0n
    for (let round = 0; round < rounds; round++) {
      const server = runChild(hold, [dataDir])
      onTestFinished(server.kill)
      const { pid, rpcUrl } = JSON.parse(await server.ready)
      const killed = sleep(100 + Math.random() * 1_000).then(() => server.kill())
      for (let isThere = true; isThere; )
        await ask(rpcUrl, 'tempo_fundAddress', address).then(
          () => gifts++,
          () => {
            isThere = false
          },
        )
      await killed
      await vi.waitFor(() => expect(isAlive(pid)).toBe(false), 20_000)
    }
    expect(gifts).toBeGreaterThan(0n)
    // In each round one may have been cut off when it was done but not answered.
    const found = (await balanceOf(await start(dataDir), address)) / 1_000_000_000n
    expect(found).toBeGreaterThanOrEqual(gifts)
    expect(found).toBeLessThanOrEqual(gifts + BigInt(rounds))
  }, 120_000)

  test('is started again as it was when it is killed', async () => {
    const net = await start(await newFolder())
    const payer = await newWallet(net)
    const { id } = await openChannel(net, payer, { payee: payer.address })
    const { pid } = net
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(() => expect(net.pid).not.toBe(pid), 10_000)
    const state = await Chain.getChannelState(clientOf(net, payer), id)
    expect(state.deposit).toBe(5_000_000n)
  })

  test('is gone after stop, which can be asked for twice', async () => {
    const net = await startLocalnet()
    const { pid } = net
    await Promise.all([net.stop(), net.stop()])
    expect(isAlive(pid)).toBe(false)
    await expect(ask(net.rpcUrl, 'eth_chainId')).rejects.toThrow()
  })

  test('is gone when its port is taken', async () => {
    const { rpcUrl } = await chain()
    const port = Number(new URL(rpcUrl).port)
    await expect(startLocalnet({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

test('a machine for which there is no anvil is told what is missing', async () => {
  const { arch } = process
  onTestFinished(() => void Object.defineProperty(process, 'arch', { value: arch }))
  Object.defineProperty(process, 'arch', { value: 'riscv64' })
  await expect(startLocalnet()).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(`@foundry-rs/anvil-${process.platform}-riscv64 is not`),
  })
})

test('strangers cannot bend the rules of the chain', async () => {
  const { rpcUrl } = await chain()
  const dev = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
  for (const [method, ...params] of [
    ['anvil_setBalance', dev, '0x1'],
    ['anvil_setStorageAt', dev, '0x0', '0x0'],
    ['evm_increaseTime', 1],
    ['hardhat_impersonateAccount', dev],
    ['eth_sendTransaction', { from: dev, to: dev }],
    ['eth_sendUnsignedTransaction', { from: dev, to: dev }],
    ['eth_sign', dev, '0x00'],
    ['eth_signTypedData_v4', dev, {}],
    ['personal_sign', '0x00', dev],
    ['debug_traceCall', {}],
    ['Anvil_setBalance', dev, '0x1'],
  ] as const)
    await expect(ask(rpcUrl, method, ...params)).rejects.toThrow(`does not offer ${method}`)
  expect(await ask(rpcUrl, 'txpool_status')).toEqual({ pending: '0x0', queued: '0x0' })
  expect(await ask(rpcUrl, 'net_version')).toBe('1337')
})

test('a transaction that has to wait for another does not hold up the rest', async () => {
  const net = await chain()
  const payer = await newWallet(net)
  // For a transaction as Ethereum has them, anvil wants ether.
  await net.rpc('anvil_setBalance', payer.address, toHex(10n ** 18n))
  const early = await payer.signTransaction({
    chainId: net.chainId,
    nonce: 5,
    to: payer.address,
    gas: 100_000n,
    maxFeePerGas: 20_000_000_000n,
    maxPriorityFeePerGas: 0n,
  })
  const [hash] = await Promise.all([
    ask(net.rpcUrl, 'eth_sendRawTransaction', early),
    net.faucet(payer.address),
  ])
  expect(await ask(net.rpcUrl, 'eth_getTransactionReceipt', hash)).toBeNull()
  await expect(ask(net.rpcUrl, 'eth_sendRawTransaction', '0x76')).rejects.toThrow()
  await expect(ask(net.rpcUrl, 'eth_sendRawTransaction', 76)).rejects.toThrow()
})

const hold = new URL('../testing/holdChain.ts', import.meta.url)

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'jack-chain-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function start(dataDir: string, options = {}): Promise<Localnet> {
  const net = await startLocalnet({ dataDir, ...options })
  onTestFinished(net.stop)
  return net
}

/** Asks as a stranger does. */
async function ask(rpcUrl: string, method: string, ...params: unknown[]): Promise<unknown> {
  const stranger = createClient({ transport: http(rpcUrl, { retryCount: 0 }) })
  return stranger.request({ method, params } as never)
}

/** A transfer with an expiring nonce, signed and not sent. */
async function signedTransfer(net: Localnet, from: Account, to: Address): Promise<Hex> {
  const client = clientOf(net, from)
  const call = Actions.token.transfer.call({ token: net.token, to, amount: 7n } as never)
  const request = { calls: [call], nonceKey: 'expiring', feeToken: net.token }
  const prepared = await prepareTransactionRequest(client, request as never)
  return signTransaction(client, prepared as never)
}

/** Where a token keeps what an address has. */
const balanceSlot = (address: Address): Hex =>
  keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'uint256' }], [address, 9n]))

function flip(bytes: Buffer): Buffer {
  const middle = bytes.length >> 1
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
  return bytes
}

/** A zombie is over: nobody may be there to reap it when its parent was killed. */
function isAlive(pid: number): boolean {
  try {
    if (process.platform !== 'linux') return process.kill(pid, 0)
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}
