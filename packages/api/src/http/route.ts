import { createHash } from 'node:crypto'
import { limits, type Operation, operations, toUsd } from '@jackcloud/sdk/wire'
import type { Context, Hono } from 'hono'
import type { z } from 'zod'
import { JackError } from '../Errors.ts'
import { parse } from '../Input.ts'
import type { Jack } from '../jack.ts'
import { type Payer, requireScope } from '../Payer.ts'
import { type Claim, unclaimed } from '../store/idempotency.ts'
import { requirePayer } from './authenticate.ts'
import { readText } from './body.ts'
import type { Door } from './Door.ts'
import { type Answer, once, type Work } from './idempotency.ts'
import { canPay, identify, keyOf, manage, type Purchase, receiptOf } from './pay.ts'

/** What a door's handler gets: everything parsed and checked. */
export interface Call<T extends Operation> {
  payer: T['scope'] extends null ? Payer | null : Payer
  params: Record<PathParameter<T['path']>, string>
  query: T extends { query: z.ZodType } ? z.output<T['query']> : undefined
  body: T extends { body: z.ZodType } ? z.output<T['body']> : undefined
  /** Aborts when the client leaves. */
  signal: AbortSignal
  /** Under which id to make what the request makes. */
  claim: Claim
  c: Context<Door>
}

type PathParameter<P extends string> = P extends `${string}:${infer Name}/${infer Rest}`
  ? Name | PathParameter<`/${Rest}`>
  : P extends `${string}:${infer Name}`
    ? Name
    : never

/**
 * Opens the door of an operation: its method and path, its scope, its input's schema, its idempotency.
 * The handler answers the response, or a `Response` of its own for a stream.
 */
export function route<const T extends Operation>(
  app: Hono<Door>,
  jack: Jack,
  operation: T,
  handle: (call: Call<T>) => Promise<z.input<T['response']> | Response>,
): void {
  app.on(operation.method, operation.path, async (c) => {
    let payer = c.get('payer')
    if (operation.scope !== null && !canPay(c, jack, operation))
      requireScope(requirePayer(payer), operation.scope)

    const text = operation.body ? await readText(c, limits.requestBodyBytes) : ''
    const bodySha256 = text === '' ? null : digestOf(text)
    if (operation.price && text === '' && canPay(c, jack, operation))
      return withoutBody(c, jack, { operation, bodySha256 })
    const query = operation.query && parse(operation.query, c.req.query(), 'query')
    const body = operation.body && parse(operation.body, json(text), 'body')
    if (operation.scope !== null) {
      const { amount_usd: amountUsd } = (body ?? {}) as { amount_usd?: string }
      payer = await identify(c, jack, { operation, bodySha256, amountUsd })
    }
    noteDeed(c, operation, payer, c.req.param('project') ?? projectIn(operation, body ?? {}))
    const call = {
      payer,
      params: c.req.param(),
      query,
      body,
      signal: c.req.raw.signal,
      c,
    } as unknown as Call<T>

    const work = async (claim: Claim): Promise<Answer | Response> => {
      const answer = await handle({ ...call, claim })
      if (answer instanceof Response) return answer
      const receipt = await receiptOf(jack, payer)
      tellBalance(c, payer)
      return { status: operation.success ?? 200, body: JSON.stringify(answer), receipt }
    }
    const key = keyOf(c)
    const workId = jack.newId(operation.price === 'execution' ? 'exe' : 'dep')
    if (operation.method !== 'POST' || key === undefined || !payer)
      return send(c, await work(unclaimed(workId)))
    const fingerprint = jack.sha256(`${operation.method} ${c.req.path}\n${text}`)
    return send(
      c,
      await once(jack, payer, key, fingerprint, workId, c.get('requestId'), work as Work),
    )
  })
}

/** For the audit log: who changes what. What is only read, bought or asked for by nobody is no deed. */
export function noteDeed(
  c: Context<Door>,
  operation: Operation,
  payer: Payer | null,
  project: string | undefined,
): void {
  if (!payer || operation.method === 'GET' || operation.price === 'execution') return
  const { accountId, tokenId } = payer
  c.set('deed', { accountId, tokenId, operation: nameOf(operation), project: project ?? null })
}

/** What is left of the balance that paid, so that nobody has to ask for it. */
export function tellBalance(c: Context<Door>, payer: Payer | null): void {
  const left = payer?.funding.kind === 'balance' ? payer.funding.leftMicroUsd : undefined
  if (left !== undefined) c.header('jack-balance-usd', toUsd(left))
}

/** The project that a body names. */
function projectIn(operation: Operation, body: { project?: string; name?: string }) {
  const isNamed = operation === operations.deploy || operation === operations.createProject
  return isNamed ? body.name : body.project
}

const names = new Map<Operation, string>(Object.entries(operations).map(([name, it]) => [it, name]))
const nameOf = (operation: Operation): string => names.get(operation) ?? operation.path

/** sha256 in base64, as challenges have it (RFC 9530). */
export const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64')

/** A request without a body buys nothing: it changes a session, or asks for the price. */
export async function withoutBody(
  c: Context<Door>,
  jack: Jack,
  purchase: Purchase,
): Promise<Response> {
  const managed = await manage(c, jack, purchase)
  if (managed) return managed
  await identify(c, jack, purchase)
  throw new JackError('invalid_request', 'The request has no body.', {
    hint: `${jack.urls.api}/openapi.json says what it has.`,
  })
}

export function send(
  c: Context<Door>,
  answer: (Answer & { replayed?: boolean }) | Response,
): Response {
  if (answer instanceof Response) return answer
  const problem = answer.status >= 400
  return c.body(answer.body, answer.status as 200, {
    'content-type': problem ? 'application/problem+json' : 'application/json',
    'cache-control': 'no-store',
    ...(answer.receipt && { 'payment-receipt': answer.receipt }),
    ...(answer.replayed && { 'idempotent-replayed': 'true' }),
  })
}

function json(text: string): unknown {
  if (text === '') return {}
  try {
    return JSON.parse(text, (key, value) => (key === '__proto__' ? undefined : value))
  } catch (error) {
    throw new JackError('invalid_request', 'The body is not JSON.', {
      hint: 'Send JSON in UTF-8.',
      cause: error,
    })
  }
}
