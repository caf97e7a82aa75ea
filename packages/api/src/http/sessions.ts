import { operations } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { requireProject } from '../Payer.ts'
import type { SessionState } from '../Session.ts'
import * as sessions from '../store/sessions.ts'
import { closeSession } from '../verbs/close-session.ts'
import type { Door } from './Door.ts'
import { pageOf, presentSession } from './present.ts'
import { route } from './route.ts'

export function sessionsDoor(app: Hono<Door>, jack: Jack): void {
  route(app, jack, operations.listSessions, async ({ payer, query }) => {
    const { limit, cursor: before } = query
    const found = await sessions.list(jack.db, payer.accountId, { limit: limit + 1, before })
    const { items, next_cursor } = pageOf(found, limit, (it) => it.sessionId)
    return { sessions: items.map(presentSession), next_cursor }
  })

  route(app, jack, operations.closeSession, async ({ payer, params }) => {
    requireProject(payer, null)
    const known = await sessions.find(jack.db, payer.accountId, params.session)
    if (!known || known.status === 'opening') {
      throw new JackError('not_found', 'There is no such session.', {
        next: [{ command: 'jack sessions', when: 'to see the ids' }],
      })
    }
    const { sessionId: only } = await closeSession(jack, known.sessionId, 'asked')
    const [session] = await sessions.list(jack.db, payer.accountId, { limit: 1, only })
    return presentSession(session as SessionState)
  })
}
