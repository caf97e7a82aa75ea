import type { Hex } from './Session.ts'

/** A channel as the chain has it; a closed one has nothing. */
export interface ChannelState {
  depositMicroUsd: bigint
  settledMicroUsd: bigint
  /** The payer asked for his money back; he can take it 15 minutes later. */
  closeRequestedAt: Date | null
}

/** How a channel ended. `captured` is what was taken all in all, and `by` who ended it. */
export interface Closing {
  txHash: Hex
  capturedMicroUsd: bigint
  refundedMicroUsd: bigint
  by: 'us' | 'payer'
}

export interface OpenedChannel {
  channelId: Hex
  payer: Hex
  /** At first. */
  depositMicroUsd: bigint
  txHash: Hex
}

export interface Income {
  txHash: Hex
  amountMicroUsd: bigint
  from: Hex
  /** Out of which it came; null for a transfer. */
  channelId: Hex | null
}
