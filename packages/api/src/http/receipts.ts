import { operations } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import type { Jack } from '../jack.ts'
import { requireProject } from '../Payer.ts'
import { published } from '../store/receiptKey.ts'
import { list, standing } from '../store/receipts.ts'
import type { Door } from './Door.ts'
import { route } from './route.ts'

export function receiptsDoor(app: Hono<Door>, jack: Jack): void {
  const { db, receiptKey } = jack

  route(app, jack, operations.listReceipts, async ({ payer, query }) => {
    const { accountId, projectId } = payer
    const { receipts, nextCursor } = await list(db, receiptKey, { ...query, accountId, projectId })
    return { receipts, next_cursor: nextCursor }
  })

  route(app, jack, operations.getStatement, async ({ payer }) => {
    requireProject(payer, null)
    const it = await standing(db, receiptKey, payer.accountId)
    const said = { ...it, cloud: jack.urls.api, at: jack.now().toISOString() }
    return receiptKey.signed(receiptKey.hashed(said))
  })

  route(app, jack, operations.listReceiptKeys, async () => ({ keys: await published(db) }))
}
