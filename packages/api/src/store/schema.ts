import type { ColumnType, Generated } from 'kysely'
import type { ProjectTables } from './tables.ts'

/** Every table, as kysely sees it. */
export interface Schema extends ProjectTables {
  ledger_account: LedgerAccountTable
  ledger_transfer: LedgerTransferTable
  ledger_reservation: LedgerReservationTable
  ledger_token_day: LedgerTokenDayTable
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
  balance_after_micro_usd: ReadOnly<bigint>
  created_at: ReadOnly<Date>
}

type Book = 'available' | 'held' | 'revenue' | 'external' | 'granted'

interface LedgerReservationTable {
  reservation_id: ReadOnly<string>
  account_id: ReadOnly<string>
  amount_micro_usd: ReadOnly<bigint>
  kind: ReadOnly<string>
  ref: ReadOnly<string | null>
  project_id: ReadOnly<string | null>
  token_id: ReadOnly<string | null>
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

type ReadOnly<T> = ColumnType<T, never, never>
