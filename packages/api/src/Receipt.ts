import { type Receipt, toUsd } from '@jackcloud/sdk/wire'
import type { Entry } from './Ledger.ts'

/** Where an account's chain of receipts ends. */
export interface Chain {
  accountId: string
  /** Of the last receipt; 0 when there is none. */
  position: number
  lastHash: string | null
}

/** The next receipt of a chain, before it is signed. */
export const receiptOf = (
  { accountId, position, lastHash }: Chain,
  it: Entry,
): Omit<Receipt, 'key_id' | 'hash' | 'signature'> => ({
  receipt_id: it.id,
  account_id: accountId,
  position: position + 1,
  at: it.at.toISOString(),
  reason: it.kind,
  amount_usd: toUsd(it.amountMicroUsd),
  of: it.of,
  balance_usd: it.balanceAfterMicroUsd === null ? null : toUsd(it.balanceAfterMicroUsd),
  session_id: it.sessionId,
  ref: it.ref,
  refund_of: it.refundOf,
  project_id: it.projectId,
  project: it.project,
  period: it.kind === 'runtime' ? periodOf(it.ref) : null,
  detail: it.detail,
  previous_hash: lastHash,
})

/** The reference of a charge for runtime is the time in which it was used: "from/until". */
function periodOf(ref: string | null): Receipt['period'] {
  const [from, until] = ref?.split('/') ?? []
  return from && until ? { from, until } : null
}
