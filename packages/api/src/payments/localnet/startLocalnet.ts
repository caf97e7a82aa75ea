import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type Address, getAddress, isAddress } from 'viem'
import { type Anvil, RpcError } from './anvil.ts'
import { Chain } from './chain.ts'
import { noMemory, openMemory } from './memory.ts'
import { createProxy } from './proxy.ts'

export interface LocalnetOptions {
  /** Where the chain is kept between runs; without one it ends with `stop`. One process at a time may use it. */
  dataDir?: string | undefined
  /** Of the RPC on 127.0.0.1. Default: any that is free. */
  port?: number
  chainId?: number
  logger?: { info(message: string): void; warn(message: string): void }
}

export interface Localnet {
  rpcUrl: string
  chainId: number
  /** pathUSD, in which everything is paid. 6 decimals. */
  token: Address
  /** Whether channels are kept by a contract of ours or by the chain itself. */
  reserve: 'stand-in' | 'native'
  /** Gives an address pathUSD, 1,000 USD if no amount is said. Throws when the transfer fails. */
  faucet(address: Address, microUsd?: bigint): Promise<void>
  /** The node behind the RPC, which does whatever it is asked: for tests, and never for strangers. */
  rpc: Anvil['rpc']
  /** Of the node. */
  readonly pid: number
  startedMs: number
  /** Everything is on disk and no process is left when it resolves. */
  stop(): Promise<void>
}

const PATH_USD: Address = '0x20c0000000000000000000000000000000000000'
const ALPHA_USD: Address = '0x20c0000000000000000000000000000000000001'
const GIFT_MICRO_USD = 1_000_000_000n

/**
 * A Tempo chain on this machine, for development and tests, with money that is worth nothing.
 *
 * What was answered to a transaction is on disk. Throws `unavailable` where there is no anvil, or when what was kept is
 * damaged.
 */
export async function startLocalnet(options: LocalnetOptions = {}): Promise<Localnet> {
  const startedAt = performance.now()
  const { dataDir, port = 0, chainId = 1337, logger } = options
  const memory = dataDir === undefined ? noMemory : await openMemory(dataDir, chainId)
  let chain = await Chain.open({ chainId, memory })
  const { reserve } = chain

  let stopping = false
  let repairing: Promise<void> = Promise.resolve()
  const guard = () => {
    void chain.anvil.ended.then((why) => {
      if (stopping) return
      logger?.warn(`The local chain ended unexpectedly (${why}).`)
      if (dataDir !== undefined) repairing = repair()
    })
  }
  const repair = async () => {
    await chain.stop()
    try {
      chain = await Chain.open({ chainId, memory })
      logger?.info('The local chain runs again.')
      guard()
    } catch (error) {
      logger?.warn(`The local chain did not start again: ${(error as Error).message}`)
    }
  }
  guard()

  const fund = async (address: unknown) => {
    if (typeof address !== 'string' || !isAddress(address, { strict: false }))
      throw new RpcError({ code: -32602, message: 'tempo_fundAddress needs an address.' })
    const first = await chain.give(PATH_USD, address, GIFT_MICRO_USD)
    return [first, await chain.give(ALPHA_USD, address, GIFT_MICRO_USD)]
  }
  const server = createProxy((method, params) =>
    method === 'tempo_fundAddress' ? fund(params[0]) : chain.answer(method, params),
  )
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (error) {
    stopping = true
    await chain.stop()
    throw error
  }

  const stop = async () => {
    stopping = true
    server.close()
    server.closeAllConnections()
    await repairing
    await chain.stop()
  }
  let stopped: Promise<void> | undefined
  return {
    rpcUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    chainId,
    token: PATH_USD,
    reserve,
    faucet: async (address, microUsd = GIFT_MICRO_USD) => {
      await chain.give(PATH_USD, getAddress(address), microUsd)
    },
    get pid() {
      return chain.anvil.pid
    },
    rpc: (method, ...params) => chain.anvil.rpc(method, ...params),
    startedMs: Math.round(performance.now() - startedAt),
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** A local chain that somebody else started. */
export async function joinLocalnet(
  rpcUrl: string,
): Promise<Pick<Localnet, 'rpcUrl' | 'chainId' | 'token' | 'faucet' | 'stop'>> {
  const ask = async (method: string, ...params: unknown[]) => {
    const response = await fetch(rpcUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    })
    const { result, error } = (await response.json()) as { result?: string; error?: object }
    if (error) throw new Error(`${method}: ${JSON.stringify(error)}`)
    return result as string
  }
  return {
    rpcUrl,
    chainId: Number(await ask('eth_chainId')),
    token: PATH_USD,
    faucet: async (address) => {
      await ask('tempo_fundAddress', address)
    },
    stop: async () => {},
  }
}
