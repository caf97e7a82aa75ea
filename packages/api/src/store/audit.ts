import type { Background } from './background.ts'
import type { Db } from './database.ts'
import { Gathering } from './gathering.ts'

/** Something that was done in an account's name. */
export interface Deed {
  accountId: string
  at: Date
  operation: string
  project: string | null
  tokenId: string | null
  address: string
  status: number
  requestId: string
}

/** Who did what with which token, written a moment later and many at once: nobody waits for it. */
export class Audit extends Gathering<Deed> {
  constructor(db: Db, background: Background) {
    super(background, 100, (deeds) => write(db, deeds))
  }
}

async function write(db: Db, deeds: readonly Deed[]): Promise<void> {
  const rows = deeds.map((it) => ({
    account_id: it.accountId,
    at: it.at,
    operation: it.operation,
    project: it.project,
    token_id: it.tokenId,
    address: it.address,
    status: it.status,
    request_id: it.requestId,
  }))
  await db.insertInto('audit_entry').values(rows).execute()
}

export interface AuditEntry extends Deed {
  entryId: bigint
  /** Null also for a token that is gone. */
  tokenName: string | null
}

/** What was done in an account's name, the latest first. */
export async function list(
  db: Db,
  accountId: string,
  page: { limit: number; before: bigint | null },
): Promise<AuditEntry[]> {
  const rows = await db
    .selectFrom('audit_entry')
    .leftJoin('token', 'token.token_id', 'audit_entry.token_id')
    .selectAll('audit_entry')
    .select('token.name as token_name')
    .where('audit_entry.account_id', '=', accountId)
    .$if(page.before !== null, (it) => it.where('entry_id', '<', page.before as bigint))
    .orderBy('entry_id', 'desc')
    .limit(page.limit)
    .execute()
  return rows.map((row) => ({
    entryId: row.entry_id,
    accountId: row.account_id,
    at: row.at,
    operation: row.operation,
    project: row.project,
    tokenId: row.token_id,
    tokenName: row.token_name,
    address: row.address,
    status: row.status,
    requestId: row.request_id,
  }))
}

export async function forgetOld(db: Db, before: Date): Promise<void> {
  await db.deleteFrom('audit_entry').where('at', '<', before).execute()
}
