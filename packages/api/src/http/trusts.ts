import { operations, type Trust as TrustWire, toUsd } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import * as trusts from '../store/trusts.ts'
import type { Trust } from '../Trust.ts'
import { exchangeToken } from '../verbs/exchange-token.ts'
import { addTrust, removeTrust } from '../verbs/trust.ts'
import type { Door } from './Door.ts'
import { pageOf, presentToken } from './present.ts'
import { route } from './route.ts'

export function trustsDoor(app: Hono<Door>, jack: Jack): void {
  route(app, jack, operations.exchangeToken, async ({ body, c }) => {
    const { token, secret } = await exchangeToken(jack, body)
    const { accountId, tokenId, projectName: project } = token
    c.set('deed', { accountId, tokenId, operation: 'exchangeToken', project })
    return { ...presentToken(token), token: secret }
  })

  route(app, jack, operations.createTrust, async ({ payer, body }) =>
    present(await addTrust(jack, payer, body)),
  )

  route(app, jack, operations.listTrusts, async ({ payer, query }) => {
    const { limit, cursor: before } = query
    const page = { limit: limit + 1, before, only: payer.projectId }
    const found = await trusts.list(jack.db, payer.accountId, page)
    const { items, next_cursor } = pageOf(found, limit, (it) => it.trustId)
    return { trusts: items.map(present), next_cursor }
  })

  route(app, jack, operations.deleteTrust, async ({ payer, params }) => {
    if (!(await removeTrust(jack, payer, params.trust))) {
      throw new JackError('not_found', 'There is no such trust.', {
        next: [{ command: 'jack trust ls', when: 'to see the ids' }],
      })
    }
    return { deleted: true as const, id: params.trust }
  })
}

const present = (it: Trust): TrustWire => ({
  trust_id: it.trustId,
  issuer: it.issuer,
  subject: it.subject,
  project: it.projectName,
  scopes: it.scopes as TrustWire['scopes'],
  daily_cap_usd: toUsd(it.dailyCapMicroUsd),
  created_at: it.createdAt.toISOString(),
  last_used_at: it.lastUsedAt?.toISOString() ?? null,
})
