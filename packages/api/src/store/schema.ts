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
  id: string
  available: ReadOnly<bigint>
  held: ReadOnly<bigint>
  created_at: Generated<Date>
}

interface LedgerTransferTable {
  seq: ReadOnly<bigint>
  id: ReadOnly<string>
  account_id: ReadOnly<string>
  debit: ReadOnly<string>
  credit: ReadOnly<string>
  amount: ReadOnly<bigint>
  kind: ReadOnly<string>
  ref: ReadOnly<string | null>
  project_id: ReadOnly<string | null>
  token_id: ReadOnly<string | null>
  refund_of: ReadOnly<string | null>
  balance_after: ReadOnly<bigint>
  created_at: ReadOnly<Date>
}

interface LedgerReservationTable {
  id: ReadOnly<string>
  account_id: ReadOnly<string>
  amount: ReadOnly<bigint>
  kind: ReadOnly<string>
  ref: ReadOnly<string | null>
  project_id: ReadOnly<string | null>
  token_id: ReadOnly<string | null>
  created_at: ReadOnly<Date>
  captured: ReadOnly<bigint | null>
  settled_at: ReadOnly<Date | null>
}

/** What a token spent on one UTC day, open reservations included. */
interface LedgerTokenDayTable {
  token_id: ReadOnly<string>
  /** yyyy-mm-dd */
  day: ReadOnly<string>
  spent: ReadOnly<bigint>
}

type ReadOnly<T> = ColumnType<T, never, never>
