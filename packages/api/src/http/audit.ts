import { operations } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import type { Jack } from '../jack.ts'
import { requireProject } from '../Payer.ts'
import * as audit from '../store/audit.ts'
import type { Door } from './Door.ts'
import { pageOf } from './present.ts'
import { route } from './route.ts'

export function auditDoor(app: Hono<Door>, jack: Jack): void {
  route(app, jack, operations.listAudit, async ({ payer, query }) => {
    // What others did elsewhere is no business of a token of one project.
    requireProject(payer, null)
    jack.audit.flush()
    await jack.background.drain()
    const { limit, cursor } = query
    const before = /^\d{1,18}$/.test(cursor ?? '') ? BigInt(cursor as string) : null
    const found = await audit.list(jack.db, payer.accountId, { limit: limit + 1, before })
    const { items, next_cursor } = pageOf(found, limit, (it) => it.entryId.toString())
    return {
      entries: items.map((it) => ({
        at: it.at.toISOString(),
        operation: it.operation,
        project: it.project,
        token_id: it.tokenId,
        token_name: it.tokenName,
        address: it.address,
        status: it.status,
        request_id: it.requestId,
      })),
      next_cursor,
    }
  })
}
