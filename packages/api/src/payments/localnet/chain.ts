import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, encodeFunctionData, erc20Abi, type Hex, isAddress } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { type Anvil, RpcError, startAnvil } from './anvil.ts'
import { Clock, GAS_PRICE, keepPrice } from './clock.ts'
import { damaged, type Kept, type Memory } from './memory.ts'
import {
  installReserve,
  needsReserve,
  prepareReserve,
  readSimulation,
  readTransaction,
} from './reserve.ts'

export interface ChainOptions {
  chainId: number
  memory: Memory
}

/** A Tempo chain of one node, which makes a block for each transaction. */
export class Chain {
  readonly anvil: Anvil
  readonly reserve: 'stand-in' | 'native'
  readonly #chainId: number
  readonly #memory: Memory
  readonly #clock: Clock
  #last: Promise<unknown> = Promise.resolve()

  /** Starts it as it was when it was seen last. */
  static async open(options: ChainOptions): Promise<Chain> {
    const kept = await options.memory.load()
    const anvil = await startAnvil(options)
    try {
      const chain = new Chain(anvil, await installReserve(anvil), options)
      if (kept) await chain.#restore(kept)
      await options.memory.checkpoint(chain.#dump)
      return chain
    } catch (error) {
      await anvil.stop()
      await options.memory.close()
      throw error
    }
  }

  private constructor(anvil: Anvil, reserve: Chain['reserve'], options: ChainOptions) {
    this.anvil = anvil
    this.reserve = reserve
    this.#chainId = options.chainId
    this.#memory = options.memory
    this.#clock = new Clock(anvil, (work) => this.#alone(work))
  }

  /** Answers as a node of Tempo does. Throws an `RpcError`. */
  async answer(method: string, params: unknown[]): Promise<unknown> {
    if (method.startsWith('eth_')) await this.#clock.tick()
    if (SENDS.has(method)) return this.#answerSent(method, params)
    const simulated = this.reserve === 'stand-in' && readSimulation(params[0])
    const ask = () => this.anvil.rpc(method, ...params.map(withoutFee))
    if (!simulated || !needsReserve(simulated)) return ask()
    return this.#alone(() => prepareReserve(this.anvil, simulated).then(ask))
  }

  /** Gives tokens of which there is no end. Resolves with the hash of the transaction. */
  async give(token: Address, to: Address, microUsd: bigint): Promise<Hex> {
    await this.#clock.tick()
    const { hash, receipt } = await this.#alone(async () => {
      const count = await this.anvil.rpc<Hex>('eth_getTransactionCount', RICH.address, 'pending')
      const raw = await RICH.signTransaction({
        chainId: this.#chainId,
        nonce: Number(count),
        to: token,
        data: encodeFunctionData({
          abi: erc20Abi,
          functionName: 'transfer',
          args: [to, microUsd],
        }),
        // The first token of an address costs half of it.
        gas: 1_000_000n,
        maxFeePerGas: GAS_PRICE,
        maxPriorityFeePerGas: 0n,
      })
      return this.#send(raw)
    })
    if (receipt?.status === '0x1') return hash
    throw new RpcError({ code: -32000, message: `The transfer ${hash} failed.` })
  }

  /** Ends it when everything under way is done. What it was is on disk already; this makes the next start faster. */
  async stop(): Promise<void> {
    await this.#alone(() => this.#memory.checkpoint(this.#dump)).catch(() => {})
    await this.#memory.close()
    await this.anvil.stop()
  }

  async #answerSent(method: string, [raw]: unknown[]): Promise<unknown> {
    const { hash, receipt } = await this.#alone(() => this.#send(raw as Hex))
    if (method === 'eth_sendRawTransaction') return hash
    if (receipt) return receipt
    throw new RpcError({ code: 4, message: 'The transaction waits to be mined.', data: hash })
  }

  /** Sends a transaction that is mined, and kept, when it resolves. */
  async #send(raw: Hex): Promise<{ hash: Hex; receipt: Receipt | undefined }> {
    const hash = await this.#submit(raw)
    const receipt = await this.#mined(hash)
    const at = await this.#clock.now()
    await this.#memory.keep({ raw, at, ...(!receipt && { waits: true }) }, this.#dump)
    return { hash, receipt }
  }

  async #submit(raw: Hex): Promise<Hex> {
    const sending = this.reserve === 'stand-in' ? await readTransaction(raw) : undefined
    if (sending && needsReserve(sending)) await prepareReserve(this.anvil, sending)
    await keepPrice(this.anvil)
    return this.anvil.rpc('eth_sendRawTransaction', raw)
  }

  /** Undefined when it has to wait for another transaction of its sender. */
  async #mined(hash: Hex): Promise<Receipt | undefined> {
    for (const deadline = performance.now() + 2_000; performance.now() < deadline; await sleep(2)) {
      const receipt = await this.anvil.rpc<Receipt | null>('eth_getTransactionReceipt', hash)
      if (receipt) return receipt
    }
    return undefined
  }

  /** Transactions go one after the other: what the reserve is told is about the next one. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work)
    this.#last = done.catch(() => {})
    return done
  }

  /** Does again what happened since the checkpoint, each at its own time: their nonces have long expired. */
  async #restore({ checkpoint, sent }: Kept): Promise<void> {
    await this.anvil.rpc('anvil_loadState', checkpoint)
    if (this.reserve === 'stand-in') await installReserve(this.anvil)
    for (const [i, { raw, at, waits }] of sent.entries()) {
      if (at !== sent[i - 1]?.at) await this.#clock.set(at)
      const hash = await this.#submit(raw).catch((cause) => {
        throw damaged(`transaction ${i + 1} since the checkpoint`, cause)
      })
      if (!waits) await this.#mined(hash)
    }
    await this.#clock.set(Math.floor(Date.now() / 1000))
  }

  readonly #dump = () => this.anvil.rpc<Hex>('anvil_dumpState')
}

const SENDS = new Set(['eth_sendRawTransaction', 'eth_sendRawTransactionSync'])

interface Receipt {
  status: Hex
}

/** The first account of every development chain. Here it has more of each token than can be given away. */
const RICH = privateKeyToAccount(
  '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80',
)

/** A simulation as anvil takes it: it would have the sender pay for the gas that somebody else pays for. */
function withoutFee(request: unknown): unknown {
  if (typeof request !== 'object' || request === null) return request
  const { feePayer, ...rest } = request as Record<string, unknown>
  if (typeof feePayer !== 'string' || !isAddress(feePayer, { strict: false })) return request
  const { gasPrice: _, maxFeePerGas: __, maxPriorityFeePerGas: ___, ...free } = rest
  return free
}
