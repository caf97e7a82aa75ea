import type { Bill, Receipt } from '@jackcloud/sdk/wire'
import type { Db } from '../database.ts'
import type { ReceiptKey } from '../receiptKey.ts'
import { list, standing } from '../receipts.ts'

/** What `jack receipts export` gets, from the store itself. */
export async function billOf(db: Db, key: ReceiptKey, accountId: string): Promise<Bill> {
  const said = {
    ...(await standing(db, key, accountId)),
    cloud: 'test',
    at: new Date().toISOString(),
  }
  const statement = await key.signed(key.hashed(said))
  const receipts: Receipt[] = []
  for (let cursor: string | undefined; receipts.length < statement.position; ) {
    const page = await list(db, key, { accountId, order: 'asc', limit: 500, cursor })
    receipts.push(...page.receipts)
    cursor = page.nextCursor ?? undefined
  }
  return {
    format: 1,
    statement,
    receipts: receipts.slice(0, statement.position),
    keys: [key.publicKey],
  }
}
