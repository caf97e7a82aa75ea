import { toUsd } from '@jackcloud/sdk/wire'
import { createClient, erc20Abi, http } from 'viem'
import { getBlock, getChainId, getCode, readContract } from 'viem/actions'
import type { Hex } from '../Session.ts'
import { chainOf } from './mppx/chains.ts'
import type { Setup } from './setup.ts'

/** One thing that was looked at. */
export interface Check {
  name: string
  status: 'ok' | 'warn' | 'fail'
  detail: string
  /** What to do about it. */
  fix?: string
}

/** Of a cloud that wallets can not pay. */
export const noPayments: Check = {
  name: 'settings',
  status: 'fail',
  detail: 'this cloud takes no payments',
  fix: 'set JACK_CHAIN to moderato, or to mainnet',
}

/** A little more than a close costs at 20 gwei (81,000 gas), and an opening that a fee payer pays for (560,000). */
const gas = { closeMicroUsd: 2_000n, openMicroUsd: 12_000n }

/** Transactions are good for a few seconds of the chain's time, so that clocks have to agree. */
const mostSkewMs = 10_000

/** Looks at everything that it takes to be paid. Nothing is changed. */
export async function checkPayments(setup: Setup, now: () => Date): Promise<Check[]> {
  const client = createClient({
    chain: chainOf(setup),
    transport: http(setup.rpcUrl, { timeout: 10_000, retryCount: 1 }),
  })
  const { operator, feePayer, token } = setup
  return [
    keys(setup),
    payee(setup),
    ...(await answered(setup, client, async () => [
      clock(...(await timesOf(client, now))),
      await tokenOf(client, token),
      await reserve(client, setup.escrow),
      ...(operator
        ? [
            await money(client, token, {
              name: 'operator',
              address: operator,
              eachMicroUsd: gas.closeMicroUsd,
              what: 'closings',
            }),
          ]
        : []),
      feePayer
        ? await money(client, token, {
            name: 'fee payer',
            address: feePayer,
            eachMicroUsd: gas.openMicroUsd,
            what: 'openings',
          })
        : { name: 'fee payer', status: 'ok', detail: 'none: payers pay for their gas' },
    ])),
  ]
}

function keys({ missing, operator }: Setup): Check {
  return missing.length === 0
    ? { name: 'keys', status: 'ok', detail: `all there; the operator is ${operator}` }
    : {
        name: 'keys',
        status: 'fail',
        detail: `without ${missing.join(', ')}`,
        fix: 'set it, or name a file with it in the variable with _FILE behind it',
      }
}

function payee({ payee, operator, feePayer }: Setup): Check {
  const name = 'payee'
  const same = (a: Hex | null) => a !== null && a.toLowerCase() === payee
  if (payee === null) return { name, status: 'fail', detail: 'none', fix: 'set JACK_PAYEE' }
  if (same(operator) || same(feePayer))
    return {
      name,
      status: 'fail',
      detail: `${payee} is a key of this server: whoever takes the server takes the money`,
      fix: 'have the money go to an address whose key is nowhere near',
    }
  // The channel reserve refuses both.
  if (/^0x(0{40}|20c0)/.test(payee))
    return {
      name,
      status: 'fail',
      detail: `${payee} can not be paid: it is nobody's, or a token's`,
      fix: 'set JACK_PAYEE to an address of yours',
    }
  return { name, status: 'ok', detail: payee }
}

type Client = ReturnType<typeof createClient>

/** Whether the right chain answers; when it does, what else is to be asked there. */
async function answered(
  { chainId, rpcUrl }: Setup,
  client: Client,
  more: () => Promise<Check[]>,
): Promise<Check[]> {
  const name = 'chain'
  const began = performance.now()
  try {
    const id = await getChainId(client)
    const ms = Math.round(performance.now() - began)
    if (id !== chainId)
      return [
        {
          name,
          status: 'fail',
          detail: `${rpcUrl} is of chain ${id}, not of ${chainId}`,
          fix: 'check JACK_CHAIN and JACK_RPC_URL',
        },
      ]
    return [
      { name, status: 'ok', detail: `${rpcUrl} answers in ${ms} ms; chain ${id}` },
      ...(await more()),
    ]
  } catch (error) {
    const { shortMessage, message } = error as { shortMessage?: string; message: string }
    return [
      {
        name,
        status: 'fail',
        detail: `${rpcUrl} does not answer as it should: ${(shortMessage ?? message).split('\n')[0]}`,
        fix: 'check JACK_RPC_URL, and whether this machine gets there',
      },
    ]
  }
}

/** Of the chain, and ours in the middle of asking. */
async function timesOf(client: Client, now: () => Date): Promise<[chainMs: number, ourMs: number]> {
  const began = now().getTime()
  const { timestamp } = await getBlock(client, { blockTag: 'latest' })
  return [Number(timestamp) * 1_000, (began + now().getTime()) / 2]
}

export function clock(chainMs: number, ourMs: number): Check {
  const name = 'clock'
  const skewMs = ourMs - chainMs
  const seconds = Math.round(Math.abs(skewMs) / 1_000)
  return Math.abs(skewMs) <= mostSkewMs
    ? { name, status: 'ok', detail: `agrees with the chain (${seconds} s)` }
    : {
        name,
        status: 'fail',
        detail: `${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} the chain: transactions would be refused`,
        fix: "set the time of this machine by NTP; if it is right, the RPC's node is not up to date",
      }
}

async function tokenOf(client: Client, address: Hex): Promise<Check> {
  const name = 'token'
  const fix = 'set JACK_PAY_TOKEN to a TIP-20 stablecoin of this chain'
  const ask = <T extends 'decimals' | 'symbol'>(functionName: T) =>
    readContract(client, { address, abi: erc20Abi, functionName })
  try {
    const decimals = await ask('decimals')
    const symbol = await ask('symbol').catch(() => 'a token without a name')
    if (decimals === 6) return { name, status: 'ok', detail: `${symbol} (${address})` }
    const detail = `${symbol} (${address}) has ${decimals} decimals, and prices are made for 6`
    return { name, status: 'fail', detail, fix }
  } catch {
    return { name, status: 'fail', detail: `${address} is no token here`, fix }
  }
}

async function reserve(client: Client, address: Hex): Promise<Check> {
  const name = 'channels'
  const code = await getCode(client, { address })
  return code && code !== '0x'
    ? { name, status: 'ok', detail: `kept at ${address}` }
    : {
        name,
        status: 'fail',
        detail: `there is nothing at ${address}, where channels are kept (TIP-1034)`,
        fix: 'check JACK_RPC_URL: without channels nobody can open a session',
      }
}

async function money(
  client: Client,
  token: Hex,
  it: { name: string; address: Hex; eachMicroUsd: bigint; what: string },
): Promise<Check> {
  const { name, address, eachMicroUsd, what } = it
  const balance = await readContract(client, {
    address: token,
    abi: erc20Abi,
    functionName: 'balanceOf',
    args: [address],
  })
  const count = balance / eachMicroUsd
  const detail = `$${toUsd(balance)} for gas, enough for about ${count} ${what}`
  const fix = `send some of the token to ${address}`
  if (count < 10n) return { name, status: 'fail', detail, fix }
  return count < 500n ? { name, status: 'warn', detail, fix } : { name, status: 'ok', detail }
}
