import { type Hex, numberToHex } from 'viem'
import type { Anvil } from './anvil.ts'

/**
 * The chain's time, by which transactions with expiring nonces are measured. It is that of the last block, so an empty
 * one is made when that is a second old; but only when somebody asks, since anvil never forgets a block.
 */
export class Clock {
  readonly #anvil: Anvil
  readonly #alone: (work: () => Promise<void>) => Promise<void>
  #tickedAt = -Infinity
  #ticking: Promise<void> | undefined

  /** @param alone runs work while nobody sends: the price that is kept is that of the next block, whosever it is */
  constructor(anvil: Anvil, alone: (work: () => Promise<void>) => Promise<void>) {
    this.#anvil = anvil
    this.#alone = alone
  }

  async tick(): Promise<void> {
    if (performance.now() - this.#tickedAt < 1_000) return
    this.#ticking ??= this.#alone(() => this.#mine()).finally(() => {
      this.#ticking = undefined
    })
    await this.#ticking
  }

  /** Of the last block, in seconds. */
  async now(): Promise<number> {
    const block = await this.#anvil.rpc<{ timestamp: Hex }>('eth_getBlockByNumber', 'latest', false)
    return Number(block.timestamp)
  }

  async set(seconds: number): Promise<void> {
    await this.#anvil.rpc('evm_setTime', numberToHex(seconds))
    await this.#mine()
  }

  async #mine(): Promise<void> {
    await keepPrice(this.#anvil)
    await this.#anvil.rpc('evm_mine')
    this.#tickedAt = performance.now()
  }
}

/** Of the gas in the next block: on Tempo it stands still, and anvil would let it fall. */
export const keepPrice = (anvil: Anvil) =>
  anvil.rpc('anvil_setNextBlockBaseFeePerGas', numberToHex(GAS_PRICE))

export const GAS_PRICE = 20_000_000_000n
