import type { Hex } from './Session.ts'

/** A transaction that a payer signed to pay for one piece of work. It is sent when the work is done. */
export interface Charge {
  /** The challenge that it answers, and is bound to on chain: it counts once. */
  challengeId: string
  scope: string
  payer: Hex
  amountMicroUsd: bigint
  txHash: Hex
  /** What was presented. */
  credential: string
}

/**
 * `authorized`: signed, not sent. `broadcasting`: sent, and nobody here knows what became of it. `paid`: on chain, and
 * in the balance that it was for. `failed`: not paid, and never will be.
 */
export type ChargeState = 'authorized' | 'broadcasting' | 'paid' | 'failed'
