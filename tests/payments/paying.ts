import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { Mppx, tempo } from 'mppx/client'
import {
  type Address,
  type Client,
  createClient,
  type Hex,
  http,
  type PrivateKeyAccount,
  type Transport,
  type Chain as ViemChain,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { tempoLocalnet } from 'viem/chains'
import { Actions } from 'viem/tempo'
import { type Home, type Ready, temporaryHome, type Up, up } from '../harness.ts'

/** What `jack up` says of its chain. */
interface Chain {
  id: number
  rpc_url: string
  token: Address
}

export interface Wallet {
  account: PrivateKeyAccount
  key: Hex
}

/** What speaks to the chain as a wallet. */
export type ChainClient = Client<Transport, ViemChain, PrivateKeyAccount>

export interface PaidCloud {
  home: Home
  cloud: Up
  url: string
  chain: Chain
  /** Who is paid, as the description of the API says. */
  payee: Address
  /** A new wallet: with 1,000 USD, or with exactly so much. */
  newWallet(microUsd?: bigint): Promise<Wallet>
  give(to: Address, microUsd: bigint): Promise<void>
  /** What an address has on chain, in micro-USD. */
  balanceOf(address: Address): Promise<bigint>
  clientOf(wallet: Wallet): ChainClient
  close(): Promise<void>
}

/** A cloud as `jack up` starts it, with a chain of its own, and somebody who comes from outside with a wallet. */
export async function paidCloud(
  name: string,
  env: Record<string, string> = {},
): Promise<PaidCloud> {
  const home = temporaryHome(name)
  const cloud = await up(home, join(home.path, 'cloud'), { env })
  const { url, chain } = cloud.ready as Ready & { chain: Chain }
  const rich = await funded(chain)
  const openApi = await (await fetch(`${url}/openapi.json`)).json()
  return {
    home,
    cloud,
    url,
    chain,
    payee: openApi.paths['/execute'].post['x-payment-info'].offers[0].recipient,
    async newWallet(microUsd) {
      if (microUsd === undefined) return funded(chain)
      const wallet = newKey()
      await give(chain, rich, wallet.account.address, microUsd)
      return wallet
    },
    give: (to, microUsd) => give(chain, rich, to, microUsd),
    balanceOf: (address) => balanceOf(chain, address),
    clientOf: (wallet) => chainClient(chain, wallet),
    async close() {
      await cloud.stop()
      await home.remove()
    },
  }
}

const newKey = (): Wallet => {
  const key = generatePrivateKey()
  return { key, account: privateKeyToAccount(key) }
}

const chainClient = ({ id, rpc_url }: Chain, { account }: Wallet): ChainClient =>
  createClient({
    account,
    chain: { ...tempoLocalnet, id },
    transport: http(rpc_url),
    pollingInterval: 20,
  })

async function funded(chain: Chain): Promise<Wallet> {
  const wallet = newKey()
  await Actions.faucet.fundSync(chainClient(chain, wallet), { account: wallet.account })
  return wallet
}

async function give(chain: Chain, from: Wallet, to: Address, amount: bigint): Promise<void> {
  const client = chainClient(chain, from)
  await Actions.token.transferSync(client, { token: chain.token, to, amount, nonceKey: 'expiring' })
}

async function balanceOf(chain: Chain, account: Address): Promise<bigint> {
  const client = chainClient(chain, newKey())
  const { amount } = await Actions.token.getBalance(client, { account, token: chain.token })
  return amount
}

export const mppxBin = fileURLToPath(
  new URL('../../node_modules/mppx/dist/bin.js', import.meta.url),
)

/** The unmodified command line of mppx: processes of their own that know a key, an RPC and nothing else. */
export function mppxCommand({ home, chain }: PaidCloud, { key }: Pick<Wallet, 'key'>, as: string) {
  return (args: string[], env: Record<string, string> = {}) =>
    execa(process.execPath, [mppxBin, ...args], {
      cwd: home.path,
      extendEnv: false,
      reject: false,
      input: '',
      timeout: 60_000,
      env: {
        PATH: process.env.PATH,
        HOME: join(home.path, as),
        MPPX_PRIVATE_KEY: key,
        MPPX_RPC_URL: chain.rpc_url,
        ...env,
      },
    })
}

/** The unmodified client library of mppx, as `fetch`. */
export function mppxFetch(
  paid: PaidCloud,
  { account }: Wallet,
  ways: 'session' | 'charge' | 'both' = 'both',
) {
  const client = paid.clientOf({ account } as Wallet)
  const getClient = () => client
  const mppx = Mppx.create({
    polyfill: false,
    methods: [
      ...(ways === 'charge' ? [] : [tempo.session({ account, getClient, maxDeposit: '100' })]),
      ...(ways === 'session' ? [] : [tempo.charge({ account, getClient })]),
    ],
  })
  return (method: string, path: string, body?: unknown): Promise<Response> =>
    mppx.fetch(`${paid.url}${path}`, {
      method,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    })
}

export const doubling = { code: 'export const run = (n) => n * 2', input: 21 }
