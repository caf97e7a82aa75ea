import type { ChannelState, Closing, Income, OpenedChannel } from '../Channel.ts'
import type { Charge } from '../Charge.ts'
import type { Authorization, Hex, Opening, Session, Voucher } from '../Session.ts'

/*
 * How wallets pay, in Jack's words. The one tenant speaks the Machine Payments Protocol (HTTP 402, Tempo stablecoins,
 * TIP-1034 channels); no word of the protocol leaves `payments/`.
 */

/** What one request would cost, for a challenge. */
export interface Offer {
  /** Method and path: a credential pays for this route and no other. */
  scope: string
  /** Host that is asked. */
  realm: string
  /** sha256 of the request's body, in base64: a credential pays for this body and no other. */
  bodySha256?: string
  /** Zero asks for a proof of identity and nothing else. */
  sessionMicroUsd?: bigint
  chargeMicroUsd?: bigint
  /** What the client would rather pay with: its `Accept-Payment` header. */
  accepts?: string | undefined
}

/** What an operation costs out of a session, and by a charge. */
export interface Price {
  sessionMicroUsd: bigint
  chargeMicroUsd: bigint
}

/** One way to pay for an operation, in the words of its description. `amount` is null where the client says how much. */
export type PriceTag = Record<string, unknown> & { amount: string | null }

interface Answered {
  /** The challenge that was answered. It was made here, and is not expired. */
  challengeId: string
  expiresAt: Date
  scope: string
  bodySha256: string | null
  amountMicroUsd: bigint
  /** What was presented, for an idempotent repeat. */
  credential: string
}

/** Who proves to be what, by an answer to a challenge. Signatures are verified, chain and database are not asked yet. */
export type Presented =
  | (Answered & { kind: 'proof'; payer: Hex })
  | (Answered & { kind: 'voucher'; voucher: Voucher; session: Session })
  | (Answered & { kind: 'close'; voucher: Voucher; session: Session })
  | (Answered & { kind: 'open'; voucher: Voucher; opening: Opening })
  | (Answered & { kind: 'top-up'; session: Session; additionalMicroUsd: bigint; transaction: Hex })
  | (Answered & { kind: 'charge'; payer: Hex; txHash: Hex })

export interface Payments {
  chain: {
    id: number
    rpcUrl: string
    /** The stablecoin that is paid with. */
    token: Hex
    /** Who gets the money: a cold address. */
    payee: Hex
    /** Who closes channels: a hot key that needs gas money only. */
    operator: Hex
    escrow: Hex
  }

  /**
   * The `WWW-Authenticate` values of an offer, a session first unless the client prefers otherwise. Each challenge is good
   * for one request, for 5 minutes.
   */
  challenges(offer: Offer): string[]

  /** The ways to pay for what costs so much, a session first; null is what the client makes of it. */
  priceTags(price: Price | null): PriceTag[]

  /**
   * Reads the credential of an Authorization header. Throws a payment problem (`payments/problems.ts`) when it is not
   * well-formed, not ours, expired, or not signed by whom it says.
   */
  read(header: string): Promise<Presented>

  /** Whether a credential answers a challenge that was made here, expired or not. */
  isOurs(header: string): boolean

  /** The `Payment-Receipt` of a success. */
  receipt(it: {
    challengeId: string
    session?: { channelId: Hex; authorizedMicroUsd: bigint; spentMicroUsd: bigint }
    txHash?: Hex
  }): string

  /** The headers that tell a cold client about its open session. */
  snapshot(session: Session & Authorization): Record<string, string>

  /** Opens a channel on chain and waits for it. A channel that is open already is as good. */
  open(opening: Opening): Promise<{ txHash: Hex | null; depositMicroUsd: bigint }>

  /** Deposits more on chain; answers the whole deposit. Done before is done. */
  topUp(it: Extract<Presented, { kind: 'top-up' }>): Promise<{ depositMicroUsd: bigint }>

  /** What the chain says of channels, in their order. */
  channels(channelIds: readonly Hex[]): Promise<ChannelState[]>

  /**
   * Closes a channel on chain with its highest voucher: takes `captureMicroUsd` all in all, and everything else goes
   * back to the payer in the same transaction. Waits for it. A channel that is closed already is answered as it ended,
   * and what was settled before stays taken.
   */
  close(session: Session, captureMicroUsd: bigint): Promise<Closing>

  /** How a channel ended, from the chain's own events; null while it has not, or when nothing is known of it. */
  closing(session: Session): Promise<Closing | null>

  /** Takes a voucher's whole amount on chain and leaves the channel open. Taken before is taken. */
  settle(session: Session, voucher: Pick<Voucher, 'cumulativeMicroUsd' | 'signature'>): Promise<Hex>

  /** Throws a payment problem unless the chain would accept the charge now. Nothing moves. */
  validateCharge(charge: Charge): Promise<void>

  /**
   * Sends a charge and waits until it is final. Throws `ChargeFailed` when the chain surely did not take it; any other
   * error says that nobody knows.
   */
  sendCharge(charge: Charge): Promise<Hex>

  /**
   * The transaction that paid a charge, whoever sent it, found by what binds it to its challenge; null when there is none.
   */
  findCharge(charge: Pick<Charge, 'payer' | 'challengeId' | 'amountMicroUsd'>): Promise<Hex | null>

  /** Whether the time of a charge is over: what the chain has not taken by now it never will. */
  isOver(charge: Pick<Charge, 'credential'>): Promise<boolean>

  /** Every channel that the chain says was opened to our payee, oldest first. For reconciliation. */
  openedChannels(since?: Date): Promise<OpenedChannel[]>

  /** Every amount that our payee got, oldest first. For reconciliation. */
  income(since?: Date): Promise<Income[]>
}

/** A charge is not paid: its transaction was refused. */
export class ChargeFailed extends Error {}
