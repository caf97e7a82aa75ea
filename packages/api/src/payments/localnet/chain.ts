import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, encodeFunctionData, erc20Abi, type Hex, numberToHex } from 'viem'
import { type Anvil, RpcError, startAnvil } from './anvil.ts'
import type { Memory } from './memory.ts'
import {
  installReserve,
  needsReserve,
  prepareReserve,
  readSimulation,
  readTransaction,
} from './reserve.ts'

export interface Chain {
  pid: number
  reserve: 'stand-in' | 'native'
  rpc: Anvil['rpc']
  /** Answers a request as a Tempo node does. Throws an `RpcError`. */
  answer(method: string, params: unknown[]): Promise<unknown>
  /** Gives tokens of which there is no end. Resolves with the hash of the transaction. */
  give(token: Address, to: Address, microUsd: bigint): Promise<Hex>
  ended: Promise<string>
  stop(): Promise<void>
}

/** A Tempo chain of one node that makes a block for each transaction, and whose time goes on. */
export async function openChain(options: { chainId: number; memory: Memory }): Promise<Chain> {
  const { memory } = options
  const state = await memory.load()
  const anvil = await startAnvil(options)
  try {
    const reserve = await installReserve(anvil)
    if (state) {
      await anvil.rpc('anvil_loadState', state)
      if (reserve === 'stand-in') await installReserve(anvil)
    }
    const clock = new Clock(anvil)
    await clock.tick()
    const send = sender(anvil, clock, memory)
    return {
      pid: anvil.pid,
      reserve,
      rpc: anvil.rpc,
      ended: anvil.ended,
      answer: async (method, params) => {
        if (method.startsWith('eth_')) await clock.tick()
        if (method.startsWith('eth_sendRawTransaction')) return send.raw(method, params)
        await prepareSimulation(anvil, params)
        return anvil.rpc(method, ...params)
      },
      give: (token, to, microUsd) => send.gift(token, to, microUsd),
      stop: async () => {
        await memory.save(() => anvil.rpc('anvil_dumpState')).finally(() => anvil.stop())
      },
    }
  } catch (error) {
    await anvil.stop()
    throw error
  }

  async function prepareSimulation(anvil: Anvil, [request]: unknown[]): Promise<void> {
    const simulated = readSimulation(request)
    if (simulated && needsReserve(simulated)) await prepareReserve(anvil, simulated)
  }
}

/**
 * Makes an empty block when the last one is a second old: transactions with expiring nonces are measured by it. Only
 * when somebody asks, since anvil never forgets a block.
 */
class Clock {
  readonly #anvil: Anvil
  #tickedAt = -Infinity
  #ticking: Promise<void> | undefined

  constructor(anvil: Anvil) {
    this.#anvil = anvil
  }

  async tick(): Promise<void> {
    if (performance.now() - this.#tickedAt < 1_000) return
    this.#ticking ??= this.#mine().finally(() => {
      this.#ticking = undefined
    })
    await this.#ticking
  }

  async #mine(): Promise<void> {
    await keepPrice(this.#anvil)
    await this.#anvil.rpc('evm_mine')
    this.#tickedAt = performance.now()
  }
}

/** Of the next block: on Tempo it stands still, and anvil would let it fall. */
const keepPrice = (anvil: Anvil) =>
  anvil.rpc('anvil_setNextBlockBaseFeePerGas', numberToHex(20_000_000_000))

/** Sends one transaction after the other, each of them mined and kept before it is answered. */
function sender(anvil: Anvil, clock: Clock, memory: Memory) {
  let last: Promise<unknown> = Promise.resolve()
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work, work)
    last = mine.catch(() => {})
    return mine
  }
  const mined = async (hash: Hex): Promise<object | undefined> => {
    for (const deadline = performance.now() + 2_000; performance.now() < deadline; await sleep(2)) {
      const receipt = await anvil.rpc<object | null>('eth_getTransactionReceipt', hash)
      if (receipt) return receipt
    }
    return undefined
  }
  const kept = () => memory.save(() => anvil.rpc('anvil_dumpState'))

  return {
    async raw(method: string, params: unknown[]): Promise<unknown> {
      const { hash, receipt } = await alone(async () => {
        const sending = typeof params[0] === 'string' && (await readTransaction(params[0] as Hex))
        if (sending && needsReserve(sending)) await prepareReserve(anvil, sending)
        await keepPrice(anvil)
        const hash = await anvil.rpc<Hex>('eth_sendRawTransaction', ...params.slice(0, 1))
        return { hash, receipt: await mined(hash) }
      })
      await kept()
      if (method === 'eth_sendRawTransaction') return hash
      if (receipt) return receipt
      throw new RpcError({ code: 4, message: 'The transaction waits to be mined.', data: hash })
    },

    async gift(token: Address, to: Address, microUsd: bigint): Promise<Hex> {
      await clock.tick()
      const args = [to, microUsd] as const
      const data = encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args })
      const hash = await alone(async () => {
        await keepPrice(anvil)
        const hash = await anvil.rpc<Hex>('eth_sendTransaction', { from: RICH, to: token, data })
        const receipt = (await mined(hash)) as { status?: Hex } | undefined
        if (receipt?.status !== '0x1')
          throw new RpcError({ code: -32000, message: `The transfer ${hash} failed.` })
        return hash
      })
      await kept()
      return hash
    },
  }
}

/** The first development account: it has more of each token than can be given away. */
const RICH: Address = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
