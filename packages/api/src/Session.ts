/** The parts of a channel's name on chain: whoever knows them can compute its id (TIP-1034). Addresses in lower case. */
export interface ChannelDescriptor {
  payer: Hex
  payee: Hex
  operator: Hex
  token: Hex
  salt: Hex
  authorizedSigner: Hex
  expiringNonceHash: Hex
}

export type Hex = `0x${string}`

/**
 * `opening` until its transaction is confirmed; `closing` takes no more vouchers and waits for what is held, then for
 * the chain.
 */
export type SessionStatus = 'opening' | 'open' | 'closing' | 'closed'

/**
 * Why a session is closed: its owner said so, here or on chain, or nobody used it for long. `withdrawn`: its payer took
 * everything back that was not settled, before we closed it.
 */
export type CloseReason = 'asked' | 'requested_on_chain' | 'idle' | 'withdrawn'

/** One payment channel and what became of its money. `deposit >= authorized >= committed`. */
export interface Session {
  sessionId: string
  channelId: Hex
  accountId: string
  chainId: number
  escrow: Hex
  payer: Hex
  /** Whose vouchers count. */
  signer: Hex
  descriptor: ChannelDescriptor
  status: SessionStatus
  depositMicroUsd: bigint
  authorizedMicroUsd: bigint
  /** Of the highest voucher. */
  signature: Hex
  /** Held, captured, or granted to a balance. */
  committedMicroUsd: bigint
  /** Taken on chain so far. */
  settledMicroUsd: bigint
  openTx: Hex | null
  closeTx: Hex | null
  closeReason: CloseReason | null
  refundedMicroUsd: bigint | null
  openedAt: Date
  usedAt: Date
  closingAt: Date | null
  closedAt: Date | null
}

/** A session with what is held and unused of it. */
export interface SessionState extends Session {
  heldMicroUsd: bigint
  /** Granted to balances and not used: goes back when the session is closed. */
  unusedMicroUsd: bigint
}

/** What was delivered: what is taken on chain, in the end. */
export const spentMicroUsd = (
  it: Pick<SessionState, 'committedMicroUsd' | 'heldMicroUsd' | 'unusedMicroUsd'>,
): bigint => it.committedMicroUsd - it.heldMicroUsd - it.unusedMicroUsd

/** A signed promise of the payer: from this channel, up to so much, all in all. */
export interface Voucher {
  channelId: Hex
  /** The challenge that it answers: it counts once. */
  challengeId: string
  cumulativeMicroUsd: bigint
  signature: Hex
}

/** What a voucher left a session with. */
export interface Authorization {
  depositMicroUsd: bigint
  authorizedMicroUsd: bigint
  committedMicroUsd: bigint
  /** What is committed without what may come back: grants that are not used. It never falls. */
  spentMicroUsd: bigint
}

/** A channel that its payer signed, and that is not on chain yet. */
export interface Opening
  extends Pick<Session, 'channelId' | 'chainId' | 'escrow' | 'payer' | 'signer' | 'descriptor'> {
  depositMicroUsd: bigint
  transaction: Hex
}

/** Whether a session is one of this chain: a cloud may have moved to another. */
export const isOn =
  (chain: { id: number; escrow: Hex }) =>
  (it: Pick<Session, 'chainId' | 'escrow'>): boolean =>
    it.chainId === chain.id && it.escrow === chain.escrow
