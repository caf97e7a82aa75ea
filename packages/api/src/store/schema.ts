import type { Receipt } from '@jackcloud/sdk/wire'
import type { ColumnType, Generated, JSONColumnType } from 'kysely'
import type { ChargeState } from '../Charge.ts'
import type { ChannelDescriptor, CloseReason, SessionStatus } from '../Session.ts'
import type { OAuthTables } from './oauthTables.ts'
import type { ProjectTables } from './tables.ts'

/** Every table, as kysely sees it. */
export interface Schema extends ProjectTables, OAuthTables {
  ledger_account: LedgerAccountTable
  ledger_transfer: LedgerTransferTable
  ledger_reservation: LedgerReservationTable
  ledger_token_day: LedgerTokenDayTable
  session: SessionTable
  voucher: VoucherTable
  session_grant: SessionGrantTable
  spent_challenge: { challenge_id: string; expires_at: Date }
  charge: ChargeTable
  ledger_detail: { transfer_id: ReadOnly<string>; detail: ReadOnly<Receipt['detail']> }
  receipt_key: { key_id: string; public_key: string; used_at: Date }
  receipt_chain: ReceiptChainTable
  receipt: ReceiptTable
  receipt_due: { account_id: ReadOnly<string>; seq: ReadOnly<bigint> }
  migration: { name: string; applied_at: Generated<Date> }
}

/** Written by the functions of `migrations/0002-ledger.ts` only, as are the three tables below it. */
interface LedgerAccountTable {
  account_id: ReadOnly<string>
  available_micro_usd: ReadOnly<bigint>
  held_micro_usd: ReadOnly<bigint>
  created_at: ReadOnly<Date>
}

/** One movement of money from one book (debit) to another (credit). */
interface LedgerTransferTable {
  transfer_id: ReadOnly<string>
  /** The order of an account's transfers. */
  seq: ReadOnly<bigint>
  account_id: ReadOnly<string>
  debit: ReadOnly<Book>
  credit: ReadOnly<Book>
  amount_micro_usd: ReadOnly<bigint>
  kind: ReadOnly<string>
  ref: ReadOnly<string | null>
  project_id: ReadOnly<string | null>
  token_id: ReadOnly<string | null>
  refund_of: ReadOnly<string | null>
  session_id: ReadOnly<string | null>
  /** Null for what only a session has to do with. */
  balance_after_micro_usd: ReadOnly<bigint | null>
  created_at: ReadOnly<Date>
}

type Book = 'available' | 'held' | 'revenue' | 'external' | 'granted' | 'session'

interface LedgerReservationTable {
  reservation_id: ReadOnly<string>
  account_id: ReadOnly<string>
  amount_micro_usd: ReadOnly<bigint>
  kind: ReadOnly<string>
  ref: ReadOnly<string | null>
  project_id: ReadOnly<string | null>
  token_id: ReadOnly<string | null>
  session_id: ReadOnly<string | null>
  created_at: ReadOnly<Date>
  captured_micro_usd: ReadOnly<bigint | null>
  settled_at: ReadOnly<Date | null>
}

/** What a token spent on one UTC day, open reservations included. */
interface LedgerTokenDayTable {
  token_id: ReadOnly<string>
  /** yyyy-mm-dd */
  day: ReadOnly<string>
  spent_micro_usd: ReadOnly<bigint>
}

/** What vouchers authorized and what became of it; `migrations/0010-payments.ts` tells more. */
export interface SessionTable {
  session_id: string
  channel_id: string
  account_id: string
  chain_id: bigint
  escrow: string
  payer: string
  signer: string
  descriptor: JSONColumnType<ChannelDescriptor>
  status: SessionStatus
  deposit_micro_usd: bigint
  authorized_micro_usd: bigint
  signature: string
  committed_micro_usd: Generated<bigint>
  settled_micro_usd: Generated<bigint>
  open_tx: string | null
  close_tx: string | null
  close_reason: CloseReason | null
  refunded_micro_usd: bigint | null
  opened_at: Date
  used_at: Date
  closing_at: Date | null
  closed_at: Date | null
}

/** Written by `session_pay` only. */
interface VoucherTable {
  challenge_id: ReadOnly<string>
  session_id: ReadOnly<string>
  cumulative_micro_usd: ReadOnly<bigint>
  signature: ReadOnly<string>
  work_id: ReadOnly<string | null>
  at: ReadOnly<Date>
}

/** Written by the functions of `migrations/0010-payments.ts` only. */
interface SessionGrantTable {
  session_id: ReadOnly<string>
  account_id: ReadOnly<string>
  unused_micro_usd: ReadOnly<bigint>
  granted_at: ReadOnly<Date>
}

export interface ChargeTable {
  challenge_id: string
  tx_hash: string
  account_id: string
  credit_account_id: string
  work_id: string | null
  amount_micro_usd: bigint
  scope: string
  credential: string
  key: string | null
  state: ChargeState
  created_at: Date
  settled_at: Date | null
}

/** Where each account's chain of receipts ends. */
interface ReceiptChainTable {
  account_id: string
  position: bigint
  last_hash: string | null
}

interface ReceiptTable {
  account_id: ReadOnly<string>
  position: ReadOnly<bigint>
  transfer_id: ReadOnly<string>
  project_id: ReadOnly<string | null>
  receipt: ReadOnly<Receipt>
}

type ReadOnly<T> = ColumnType<T, never, never>
