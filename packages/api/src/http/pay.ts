import { fromUsd, type Operation, prices } from '@jackcloud/sdk/wire'
import type { Context } from 'hono'
import { isLoopback } from '../Config.ts'
import type { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { type Payer, requireScope } from '../Payer.ts'
import { isSession, requireMatch } from '../payments/match.ts'
import type { Offer, Presented, Price } from '../payments/Payments.ts'
import { isPayable, paymentProblem } from '../payments/problems.ts'
import type { Voucher } from '../Session.ts'
import * as sessions from '../store/sessions.ts'
import { type Management, manageSession } from '../verbs/manage-session.ts'
import { openSession } from '../verbs/open-session.ts'
import { payerOf } from '../verbs/payer-of.ts'
import { requirePayments } from '../verbs/require-payments.ts'
import { takeVoucher } from '../verbs/take-voucher.ts'
import { isPayment, requirePayer } from './authenticate.ts'
import type { Door } from './Door.ts'

/** What a request is about, as far as paying for it goes. */
export interface Purchase {
  operation: Pick<Operation, 'method' | 'price' | 'scope' | 'multipart'>
  /** In base64; null for a request without a body. */
  bodySha256: string | null
  /** What the body says, for the price `amount`. */
  amountUsd?: string | undefined
}

/** Method, path and query: what a challenge is good for; and what the request is part of, if it is. */
const scopeOf = (c: Context<Door>): string => {
  const { pathname, search } = new URL(c.req.url)
  const request = `${c.req.method} ${pathname}${search}`
  const purpose = c.env.within?.purpose
  return purpose === undefined ? request : `${request} ${purpose}`
}

/**
 * The name that is asked for money. Only names of our own: a proof is good for its realm, and whoever could choose that could
 * pass on what a wallet signed for him.
 */
function realmOf(c: Context<Door>, { config, urls }: Jack): string {
  const asked = new URL(c.req.url).hostname
  const official = new URL(urls.api).hostname
  const own = [official, config.domain, `api.${config.domain}`]
  const isOwn = own.includes(asked) || (config.publicUrl === undefined && isLoopback(asked))
  return isOwn ? asked : official
}

/** What the request costs a wallet. What costs nothing asks for a proof of identity. */
function offerOf(
  c: Context<Door>,
  jack: Jack,
  { operation, bodySha256, amountUsd }: Purchase,
): Offer {
  const price = priceOf(operation.price, amountUsd)
  // An upload without its manifest is about a session: there is nothing that a charge could pay for.
  if (operation.multipart && bodySha256 === null) delete price.chargeMicroUsd
  return {
    scope: scopeOf(c),
    realm: realmOf(c, jack),
    ...(bodySha256 !== null && { bodySha256 }),
    ...price,
    accepts: c.req.header('accept-payment'),
  }
}

function priceOf(price: Operation['price'], amountUsd = '1'): Partial<Price> {
  if (price === undefined) return { chargeMicroUsd: 0n }
  const amount = fromUsd(amountUsd)
  return listPrice(price) ?? { sessionMicroUsd: amount, chargeMicroUsd: amount }
}

/** Of an operation that costs something; null where the client says how much. */
export function listPrice(price: NonNullable<Operation['price']>): Price | null {
  switch (price) {
    case 'execution':
      return { sessionMicroUsd: prices.execution, chargeMicroUsd: prices.execution }
    case 'deploy':
      return { sessionMicroUsd: prices.deploy, chargeMicroUsd: prices.charge.deploy }
    case 'amount':
      return null
  }
}

/** What a wallet sent with the request, read once. */
async function presentedIn(c: Context<Door>, { payments }: Jack): Promise<Presented | null> {
  const header = c.req.header('authorization')
  if (!payments || header === undefined || !isPayment(header)) return null
  const presented = c.get('presented') ?? (await payments.read(header))
  c.set('presented', presented)
  return presented
}

/**
 * Who asks, and what pays: the account of a token, or that of a wallet that answered our challenge for this very
 * request. Throws 401 for a stranger, and 402 with challenges where a wallet could pay or prove itself.
 */
export async function identify(c: Context<Door>, jack: Jack, it: Purchase): Promise<Payer> {
  const { scope } = it.operation
  const payer = c.get('payer')
  if (payer) {
    if (scope !== null) requireScope(payer, scope)
    return payer
  }
  if (!jack.payments || !canPay(c, jack, it.operation)) return requirePayer(null)
  const offer = offerOf(c, jack, it)
  c.set('offer', offer)
  const presented = await presentedIn(c, jack)
  if (!presented) throw paymentRequired(offer)
  requireMatch(presented, offer)
  // Of anything but a new program something is told before the voucher is taken.
  const early = it.operation.price !== 'execution' || c.req.header('idempotency-key') !== undefined
  if (early && (presented.kind === 'voucher' || presented.kind === 'open'))
    await takeVoucher(jack, presented.voucher, (it) =>
      sessions.require(jack.db, it, presented.amountMicroUsd),
    )
  const wallet = await payerOf(jack, presented)
  c.env.within?.found?.(wallet)
  return wallet
}

/**
 * Whether a request without a token may still be somebody's. Everybody may buy; what costs nothing is for owners, and only
 * who speaks the protocol is told how to prove to be one.
 */
export const canPay = (c: Context<Door>, jack: Jack, operation: Purchase['operation']): boolean =>
  jack.payments !== null &&
  c.get('payer') === null &&
  (operation.price !== undefined ||
    c.req.header('accept-payment') !== undefined ||
    isPayment(c.req.header('authorization') ?? ''))

function paymentRequired(offer: Offer): JackError {
  return paymentProblem(
    'payment-required',
    offer.sessionMicroUsd === undefined
      ? 'Prove which wallet you are: it costs nothing.'
      : 'This is paid for by the request.',
    {
      hint: 'Answer one of the challenges in WWW-Authenticate with a wallet (https://mpp.dev), or send a token.',
      next: [
        { command: 'jack wallet create', when: 'to pay with a wallet' },
        { command: 'jack login', when: 'to sign in' },
      ],
    },
  )
}

/**
 * A POST without a body buys nothing: with a session's credential it changes that session, and is answered with 204.
 * Undefined when the request is something else.
 */
export async function manage(
  c: Context<Door>,
  jack: Jack,
  it: Purchase,
): Promise<Response | undefined> {
  if (!jack.payments || it.bodySha256 !== null) return undefined
  const offer = offerOf(c, jack, it)
  c.set('offer', offer)
  const presented = await presentedIn(c, jack)
  if (!presented || !isSession(presented)) return undefined
  if (presented.scope !== offer.scope)
    throw paymentProblem('invalid-challenge', 'The challenge was made for another route.')
  const session = await manageSession(jack, presented as Management)
  const { challengeId } = presented
  const receipt = jack.payments.receipt({
    challengeId,
    session,
    ...(session.txHash && { txHash: session.txHash }),
  })
  return c.body(null, 204, { 'payment-receipt': receipt, 'cache-control': 'no-store' })
}

/**
 * What a client that forgot its session asks with HEAD: who proves to be a payer gets the state of his open session in
 * the headers, and reuses its channel.
 */
export async function bootstrap(c: Context<Door>, jack: Jack, it: Purchase): Promise<Response> {
  const payments = requirePayments(jack)
  const offer: Offer = { scope: scopeOf(c), realm: realmOf(c, jack), chargeMicroUsd: 0n }
  c.set('offer', offer)
  const presented = await presentedIn(c, jack)
  if (!presented) throw paymentRequired(offer)
  requireMatch(presented, offer)
  const { accountId } = await payerOf(jack, presented)
  const session = await sessions.openSessionOf(jack.db, accountId)
  return c.body(null, 204, {
    'cache-control': 'no-store',
    ...(session && it.operation.price && payments.snapshot(session)),
  })
}

/**
 * The receipt of a success. What turned out to cost nothing (a deploy that changed nothing) still accepts the voucher, so
 * that both sides count on from the same.
 */
export async function receiptOf(jack: Jack, payer: Payer | null): Promise<string | null> {
  if (!payer || !jack.payments) return null
  const { funding } = payer
  if (funding.kind === 'charge') {
    const { challengeId } = funding.charge
    return funding.paidBy && jack.payments.receipt({ challengeId, txHash: funding.paidBy })
  }
  if (funding.kind !== 'session') return null
  if (!funding.accepted) {
    const openTx = await openSession(jack, payer, funding)
    const accept = (voucher: Voucher) => jack.vouchers.pay(voucher, null)
    funding.accepted = { ...(await takeVoucher(jack, funding.voucher, accept)), openTx }
  }
  const { accepted, voucher } = funding
  return jack.payments.receipt({
    challengeId: voucher.challengeId,
    session: { ...accepted, channelId: voucher.channelId },
    ...(accepted.openTx && { txHash: accepted.openTx }),
  })
}

/** Under which key a request is done once: its own, or that of the challenge that pays for it. */
export const keyOf = (c: Context<Door>): string | undefined => {
  const presented = c.get('presented')
  return (
    c.req.header('idempotency-key') ??
    (presented && presented.kind !== 'proof' ? `challenge:${presented.challengeId}` : undefined)
  )
}

/** The challenges to answer an error with. */
export const challengesFor = (c: Context<Door>, jack: Jack, error: JackError): string[] => {
  const offer = c.get('offer')
  return jack.payments && offer && isPayable(error) ? jack.payments.challenges(offer) : []
}
