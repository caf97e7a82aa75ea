import { createJack, JackError } from '@jackcloud/sdk'
import type { Caller, ToolRequest } from '@jackcloud/sdk/mcp'
import { toUsd } from '@jackcloud/sdk/wire'
import type { Jack } from '../../jack.ts'
import type { Payer } from '../../Payer.ts'
import {
  authorizationIn,
  changesSession,
  type PaymentRequired,
  paymentRequiredIn,
  paymentRequiredMeta,
  receiptMeta,
} from '../../payments/mppx/inMcp.ts'
import * as sessions from '../../store/sessions.ts'
import type { Inside } from './inside.ts'

/** How a call is told what it costs: by an error of the protocol, or by a result for clients that swallow those. */
export type Refusal = 'error' | 'result'

/**
 * Who calls a tool with a wallet. The challenge is about the first request of the call, with the call itself in its scope, so
 * that the credential is good for this tool with these arguments. What the tool asks after that is asked as the wallet.
 */
export function walletCaller(
  jack: Jack,
  inside: Inside,
  request: ToolRequest,
  refusal: Refusal,
): Caller {
  const authorization = authorizationIn(request._meta)
  let beginning: Promise<Response> | null = null
  let begun: { answer: Response; required: PaymentRequired | undefined } | undefined
  let payer: Payer | null = null

  async function begin(url: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    // What has no price asks for a proof then, in place of a token.
    headers.set('accept-payment', '*/*')
    if (authorization !== undefined) headers.set('authorization', authorization)
    const found = (wallet: Payer) => {
      payer = wallet
    }
    const within = { payer: null, purpose: purposeOf(jack, request), found }
    // Over HTTP, too, a session is changed by a request without a body.
    const body = changesSession(request._meta) ? null : (init.body ?? null)
    const answer = await inside(within)(url, { ...init, body, headers })
    begun = { answer, required: await paymentRequiredIn(answer) }
    return answer.status === 204 ? notRun() : answer.clone()
  }

  async function goOn(url: string, init: RequestInit): Promise<Response> {
    await beginning
    if (begun?.required) return begun.answer.clone()
    // Only the first request was paid.
    return inside({ payer: payer && { ...payer, funding: { kind: 'balance' } } })(url, init)
  }

  const client = createJack({
    url: jack.urls.api,
    retries: 0,
    fetch: (url, init) => {
      if (beginning !== null) return goOn(url, init)
      beginning = begin(url, init)
      return beginning
    },
  })

  return {
    jack: client,
    async left() {
      if (payer?.funding.kind !== 'session') return undefined
      const session = await sessions.openSessionOf(jack.db, payer.accountId)
      return session && toUsd(session.depositMicroUsd - session.committedMicroUsd)
    },
    finish: (result) =>
      begun ? { ...result, _meta: { ...result._meta, ...receiptMeta(begun.answer) } } : result,
    failed(error) {
      if (!begun || !(error instanceof JackError) || error.status !== 402) return undefined
      const { required, answer } = begun
      if (required && refusal === 'error')
        throw Object.assign(new Error(error.message), { code: required.code, data: required.data })
      const { status: _, ...failure } = error.toJSON()
      return {
        isError: true,
        content: [{ type: 'text', text: JSON.stringify(failure) }],
        structuredContent: failure,
        _meta: required ? paymentRequiredMeta(required) : receiptMeta(answer),
      }
    },
  }
}

/** The session was changed, as the credential said, and nothing was bought. */
const notRun = (): Response =>
  Response.json(
    {
      status: 402,
      code: 'payment_required',
      detail: 'The session is changed. The tool was not run.',
      hint: 'Call it again, with a payment.',
    },
    { status: 402 },
  )

/** What a call is about, all of it: a challenge says so in its scope. */
const purposeOf = (jack: Jack, { name, arguments: given = {} }: ToolRequest): string =>
  `${name} ${jack.sha256(JSON.stringify(given))}`
