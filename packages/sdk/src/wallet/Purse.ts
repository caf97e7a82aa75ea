import type { Purchasing } from '../fetch.ts'
import type { Offer } from './Offer.ts'
import type { Payment, PaymentReceipt } from './Payment.ts'
import type { Signer } from './signer.ts'
import type { Rules } from './steps.ts'
import type { WalletState } from './WalletState.ts'

/** What paying needs of a wallet. */
export interface Purse {
  rules: Rules
  /** Whether one of the ways that cost something is allowed. */
  pays(kind: Offer['kind']): boolean
  signer(): Promise<Signer>
  /** Changes what the wallet remembers while no other program can. */
  update<T>(change: (state: WalletState, now: number) => [WalletState, T]): Promise<T>
  /** The same, when there is nothing to learn from it. */
  change(change: (state: WalletState, now: number) => WalletState): Promise<void>
  /** Keeps others from opening or adding to a session, from `hold` on until `letGo`. */
  lease(key: string): Lease
  /** May refuse by throwing. */
  onPayment(payment: Payment): unknown
  onReceipt(receipt: PaymentReceipt): void
}

export interface Lease {
  holder: string
  hold(): void
  letGo(): Promise<void>
}

/** A wallet, the call that it pays for, and the place of its session in what the wallet remembers. */
export interface Place {
  purse: Purse
  request: Purchasing
  key: string
}

/** Tells of a payment that is about to be made, and lets it be refused. */
export async function tell(
  { purse, request }: Pick<Place, 'purse' | 'request'>,
  { recipient, chainId }: Offer,
  payment: Pick<Payment, 'how' | 'amountUsd' | 'depositUsd' | 'sessionId'>,
): Promise<void> {
  await purse.onPayment({ ...payment, resource: request.resource, recipient, chainId })
}
