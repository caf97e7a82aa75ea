import type { Channel } from './Channel.ts'
import { nothingSpent, type Spending } from './Spending.ts'

/** Everything that a wallet has to remember. There are no secrets in it. */
export interface WalletState {
  version: 1
  /** Under the URL of the cloud, the chain, payee, token and escrow: what one channel can pay for. */
  channels: Record<string, Channel>
  /** Who opens a channel or adds to one right now, under the same keys; others wait for it. */
  leases: Record<string, Lease>
  spending: Spending
}

export interface Lease {
  holder: string
  /** Milliseconds since 1970. Whoever lives on renews it before. */
  until: number
}

export const emptyState: WalletState = {
  version: 1,
  channels: {},
  leases: {},
  spending: nothingSpent,
}

/** Reads what `writeState` wrote; undefined when it was something else. */
export function readState(text: string | undefined): WalletState | undefined {
  if (text === undefined) return emptyState
  try {
    const state = JSON.parse(text, (name, value) =>
      name.endsWith('MicroUsd') ? BigInt(value) : value,
    ) as WalletState
    return state.version === 1 && state.spending.totalMicroUsd >= 0n ? state : undefined
  } catch {
    return undefined
  }
}

/**
 * What is left when the record was damaged: sessions are found again by asking the server, and limits that count what
 * was spent hold until a person decides.
 */
export const damagedState = (now: number): WalletState => ({
  ...emptyState,
  spending: { ...nothingSpent, unknownBefore: now },
})

export const writeState = (state: WalletState): string =>
  JSON.stringify(state, (_, value) => (typeof value === 'bigint' ? String(value) : value))
