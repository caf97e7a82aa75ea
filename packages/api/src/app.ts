import { Hono } from 'hono'
import { JackError } from './Errors.ts'
import { accountDoor } from './http/account.ts'
import { auditDoor } from './http/audit.ts'
import { callerOf, isPayment } from './http/authenticate.ts'
import { claimDoor } from './http/claim.ts'
import { cronsDoor } from './http/crons.ts'
import type { Door } from './http/Door.ts'
import { databasesDoor } from './http/databases.ts'
import { deployDoor } from './http/deploy.ts'
import { discoveryDoor } from './http/discovery.ts'
import { executeDoor } from './http/execute.ts'
import { exportDoor } from './http/export.ts'
import { filesDoor } from './http/files.ts'
import { frontDoor } from './http/front.ts'
import { healthDoor } from './http/health.ts'
import { rateLimits } from './http/limit.ts'
import { llmsDoor } from './http/llms.ts'
import { logsDoor } from './http/logs.ts'
import { mcpDoor } from './http/mcp.ts'
import { oauthDoor } from './http/oauth/index.ts'
import { metadataDoor } from './http/oauth/metadata.ts'
import { baseOf, bearerChallenge } from './http/oauth/resources.ts'
import { openApiDoor } from './http/openapi.ts'
import { errorPage, wantsPage } from './http/pages/page.ts'
import { challengesFor } from './http/pay.ts'
import { answerProblem, asJackError } from './http/problem.ts'
import { projectsDoor } from './http/projects.ts'
import { receiptsDoor } from './http/receipts.ts'
import { sessionsDoor } from './http/sessions.ts'
import { signInDoor } from './http/signIn.ts'
import { trustsDoor } from './http/trusts.ts'
import { usageDoor } from './http/usage.ts'
import type { Jack } from './jack.ts'

/** The API: every door, behind the same hall of request id, log line, limits and authentication. */
export function createApp(jack: Jack): Hono<Door> {
  const app = new Hono<Door>()
  const limits = rateLimits(jack.config.requestsPerMinute)

  app.use(async (c, next) => {
    const startedAt = performance.now()
    c.set('requestId', jack.newId('req'))
    c.set('address', c.env.address)
    c.set('browser', null)
    c.set('payer', null)
    c.set('presented', null)
    c.set('offer', null)
    c.set('deed', null)
    await next()
    c.header('x-request-id', c.get('requestId'))
    const deed = c.get('deed')
    if (deed) {
      const { address, requestId } = { address: c.get('address'), requestId: c.get('requestId') }
      jack.audit.add({ ...deed, at: jack.now(), address, requestId, status: c.res.status })
    }
    jack.log.info(
      {
        requestId: c.get('requestId'),
        within: c.env.within?.requestId,
        accountId: (c.get('payer') ?? deed)?.accountId,
        method: c.req.method,
        path: c.req.path,
        status: c.res.status,
        ms: Math.round((performance.now() - startedAt) * 100) / 100,
      },
      'request',
    )
  })
  app.onError(async (error, c) => {
    const known = asJackError(error)
    if (isPayment(c.req.header('authorization') ?? ''))
      await jack.forgeries.note(c.get('address'), known)
    if (known.status >= 500) {
      jack.log.error({ err: error, cause: known.cause, requestId: c.get('requestId') }, known.code)
    }
    if (wantsPage(c) && known.status !== 402) return errorPage(c, known)
    const challenges =
      known.status === 401
        ? [bearerChallenge(baseOf(c, jack), c.req.path, Boolean(c.req.header('authorization')))]
        : challengesFor(c, jack, known)
    return answerProblem(c, known, challenges)
  })
  app.notFound((c) => {
    const error = new JackError(
      'not_found',
      `There is no ${c.req.method} ${c.req.path.slice(0, 200)}.`,
      { hint: `${jack.urls.api}/openapi.json lists what there is.` },
    )
    return wantsPage(c) ? errorPage(c, error) : answerProblem(c, error)
  })

  healthDoor(app, jack)
  openApiDoor(app, jack)
  llmsDoor(app, jack)
  discoveryDoor(app, jack)
  frontDoor(app, jack)
  metadataDoor(app, jack)

  app.use(limits.byAddress)
  // Here a token is what is asked for, not who asks.
  oauthDoor(app, jack)
  app.use(async (c, next) => {
    if (isPayment(c.req.header('authorization') ?? ''))
      await jack.forgeries.require(c.get('address'))
    try {
      c.set('payer', await callerOf(c, jack))
    } catch (error) {
      if (asJackError(error).code === 'unauthorized') await limits.wrongToken(c.get('address'))
      throw error
    }
    await next()
  })
  // What its tools ask the doors counts, message by message.
  mcpDoor(app, jack, limits)
  app.use(limits.byAccount)

  signInDoor(app, jack, limits)
  claimDoor(app, jack, limits)
  executeDoor(app, jack)
  deployDoor(app, jack, limits)
  projectsDoor(app, jack)
  exportDoor(app, jack)
  filesDoor(app, jack)
  cronsDoor(app, jack)
  databasesDoor(app, jack)
  logsDoor(app, jack)
  usageDoor(app, jack)
  accountDoor(app, jack)
  sessionsDoor(app, jack)
  receiptsDoor(app, jack)
  trustsDoor(app, jack)
  auditDoor(app, jack)
  return app
}
