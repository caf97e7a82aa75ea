import { type Reason, type Receipt, toUsd } from '@jackcloud/sdk/wire'
import { JackError } from './Errors.ts'

/** What an account has. Only `available` can be spent; `held` is reserved for work in progress. */
export interface Balance {
  availableMicroUsd: bigint
  heldMicroUsd: bigint
}

/** What money was spent on. */
export type ChargeKind = 'execution' | 'deploy' | 'runtime'
/** Why money came in: given by the operator, or paid. */
export type DepositKind = 'grant' | 'fund'

/** One event that moved money into an account or out of it, as that account sees it: what its receipt is about. */
export interface Entry {
  /** The id that the caller gave: of the reservation, the charge, the grant ... */
  id: string
  kind: Reason
  /** What it changed: the account's balance, or only a session of the account. */
  of: 'balance' | 'session'
  /** Positive when it came in. All entries of a balance add up to available plus held. */
  amountMicroUsd: bigint
  /** Available plus held, after it; null when it left the balance alone. */
  balanceAfterMicroUsd: bigint | null
  /** The session that paid, or that got it back. */
  sessionId: string | null
  ref: string | null
  /** The id of what a refund gives back. */
  refundOf: string | null
  projectId: string | null
  /** The project's name, as long as there is such a project. */
  project: string | null
  /** What it is made of, in the words of the wire. */
  detail: Receipt['detail']
  at: Date
}

/** How a reservation ended. `capturedMicroUsd` is 0 when it was released. */
export interface Settlement {
  reservedMicroUsd: bigint
  capturedMicroUsd: bigint
  /** What the account can spend now. */
  availableMicroUsd: bigint
  /** It had ended so before. */
  replayed: boolean
}

/** Something in the ledger that contradicts something else in it. There should never be one. */
export interface Inconsistency {
  rule: string
  /** The account, reservation, transfer or token it is about. */
  subject: string
  detail: string
}

export function insufficientBalance(
  availableMicroUsd: bigint,
  requiredMicroUsd: bigint,
): JackError {
  const balance = toUsd(availableMicroUsd)
  const required = toUsd(requiredMicroUsd)
  return new JackError(
    'insufficient_balance',
    `This costs $${required}, and the balance is $${balance}.`,
    {
      hint: 'Add to the balance and try again.',
      next: [{ command: 'jack balance add 5', when: 'to add to it' }],
      fields: { balance_usd: balance, required_usd: required },
    },
  )
}

export function dailyCapExceeded(capMicroUsd: bigint, requiredMicroUsd: bigint): JackError {
  const cap = toUsd(capMicroUsd)
  const required = toUsd(requiredMicroUsd)
  return new JackError(
    'budget_exceeded',
    `This costs $${required}, which is more than is left today of the token's daily cap of $${cap}.`,
    {
      hint: 'The cap starts anew at 00:00 UTC. Wait, or use a token with a higher cap.',
      fields: { daily_cap_usd: cap, required_usd: required },
    },
  )
}
