import type { Outcome, Purchase, Purchasing } from '../fetch.ts'
import { errorOf, JackError } from '../JackError.ts'
import { fromUsd, toUsd } from '../wire/Usd.ts'
import { type Channel, joined, leftOf } from './Channel.ts'
import type { Offer } from './Offer.ts'
import type { Payment, PaymentReceipt } from './Payment.ts'
import type { Booking } from './Spending.ts'
import type { Signer } from './signer.ts'
import * as steps from './steps.ts'
import type { WalletState } from './WalletState.ts'

/** What a purchase needs of its wallet. */
export interface Payer {
  rules: steps.Rules
  /** Which of the ways that cost something are allowed. */
  pays(kind: Offer['kind']): boolean
  signer(): Promise<Signer>
  /** Changes what the wallet remembers while no other program can. */
  update<T>(change: (state: WalletState, now: number) => [WalletState, T]): Promise<T>
  /** Keeps others from opening or adding to a session, as long as `hold` was called and `letGo` was not. */
  lease(key: string): Lease
  /** May refuse by throwing. */
  onPayment(payment: Payment): unknown
  onReceipt(receipt: PaymentReceipt): unknown
}

export interface Lease {
  holder: string
  hold(): void
  letGo(): Promise<void>
}

/** What was signed for this call, and whose outcome nobody knows yet. */
type Pending =
  | { how: 'proof' }
  | { how: 'charge'; booking: Booking; key?: never; channel?: never }
  /** `lease` when it opens the session. */
  | { how: 'session'; booking: Booking; key: string; channel: Channel; lease?: Lease }

/** What was booked, and the voucher that was handed out for it. */
interface Paying {
  booking: Booking
  key?: string | undefined
  channel?: Channel | undefined
}

/**
 * Pays for one call. What was signed is sent again, as it is, until the server says what became of it. Only when it
 * says that it did not take it, another one is signed, once; and none after a transfer on chain.
 */
export function purchase(payer: Payer, request: Purchasing): Purchase {
  let headers: Record<string, string> = {}
  let pending: Pending | undefined
  let inThisCall = 0n
  let refusals = 0
  let reopened = false

  return {
    get headers() {
      return headers
    },

    async heard(outcome) {
      const status = outcome.response?.status
      if (status === 410 && isSessionGone(outcome)) return reopen(outcome)
      if (status === 402) return pending ? refused(outcome) : answer(outcome)
      await decide(tookOf(outcome), outcome.response)
      return false
    },

    async abandon() {
      await decide(undefined)
    },
  }

  /** Signs what the server asks for. False when it asks for nothing that could be signed. */
  async function answer({ response }: Outcome): Promise<boolean> {
    headers = {}
    if (!response) return false
    const signer = await payer.signer()
    const offers = signer.offers(response.headers, request.host)
    const proof = offers.find((it) => it.kind === 'proof')
    if (proof) {
      pending = { how: 'proof' }
      return carry(proof, await signer.prove(proof))
    }
    const offer = offers.find((it) => payer.pays(it.kind))
    if (offer) return offer.kind === 'charge' ? charge(offer) : paySession(offer)
    if (offers.length === 0) return false
    throw new JackError('payment_required', `This is paid by ${offers[0]?.kind} only.`, {
      status: 402,
      hint: 'The option `pay` of this wallet does not allow that.',
    })
  }

  async function carry(offer: Offer, credential: string): Promise<true> {
    headers = { [(await payer.signer()).headerOf(offer)]: credential }
    return true
  }

  async function charge(offer: Offer): Promise<true> {
    const price = offer.priceMicroUsd
    const booking = await payer.update((state, now) => {
      const booked = steps.bookCharge(state, price, payer.rules, { now, inThisCall })
      return [booked.state, booked.booking]
    })
    return unlessItFails({ booking }, async () => {
      await tell(offer, { how: 'charge', amountUsd: toUsd(price) })
      const credential = await (await payer.signer()).charge(offer)
      pending = { how: 'charge', booking }
      return carry(offer, credential)
    })
  }

  async function paySession(offer: Offer): Promise<true> {
    const key = keyOf(request.cloud, offer)
    const lease = payer.lease(key)
    const { holder } = lease
    let asked = false
    try {
      for (let round = 0; ; round++) {
        const step = await payer.update((state, now) => {
          const moment = { now, holder, inThisCall, asked }
          const next = steps.nextStep(state, { ...offer, key }, payer.rules, moment)
          return [next.state, next.step]
        })
        if (step.do === 'voucher') return await payByVoucher(offer, key, step)
        if (step.do === 'wait') {
          await wait(offer, key, round)
          continue
        }
        lease.hold()
        if (step.do === 'open') return await openSession(offer, key, lease, step)
        if (step.do === 'topUp') await topUp(offer, key, step)
        if (step.do === 'look') await look(key, step.channel)
        if (step.do === 'ask') asked = (await recall(offer, key)) || true
      }
    } finally {
      if (!(pending?.how === 'session' && pending.lease)) await lease.letGo()
    }
  }

  async function payByVoucher(
    offer: Offer,
    key: string,
    { channel, booking }: { channel: Channel; booking: Booking },
  ): Promise<true> {
    const paying = { how: 'session', key, booking, channel } as const
    return unlessItFails(paying, async () => {
      const amountUsd = toUsd(offer.priceMicroUsd)
      await tell(offer, { how: 'voucher', amountUsd, sessionId: channel.id })
      const credential = await (await payer.signer()).voucher(offer, channel)
      pending = paying
      return carry(offer, credential)
    })
  }

  async function openSession(
    offer: Offer,
    key: string,
    lease: Lease,
    { depositMicroUsd, booking }: { depositMicroUsd: bigint; booking: Booking },
  ): Promise<true> {
    return unlessItFails({ booking }, async () => {
      const signer = await payer.signer()
      const deposit = await signer.affordable(offer, depositMicroUsd)
      await tell(offer, {
        how: 'open',
        amountUsd: toUsd(offer.priceMicroUsd),
        depositUsd: toUsd(deposit),
      })
      const { channel, credential } = await signer.open(offer, deposit)
      // Kept before it is sent: a deposit must not be forgotten.
      await payer.update((state) => [steps.withChannel(state, key, channel), undefined])
      pending = { how: 'session', key, booking, channel, lease }
      return carry(offer, credential)
    })
  }

  /** Counts a booking as spent in this call, unless `attempt` fails: then nothing was sent. */
  async function unlessItFails<T>(paying: Paying, attempt: () => Promise<T>): Promise<T> {
    inThisCall += paying.booking.microUsd
    try {
      return await attempt()
    } catch (error) {
      await giveBack(paying)
      throw error
    }
  }

  async function giveBack(
    { booking, key, channel }: Paying,
    microUsd = booking.microUsd,
  ): Promise<void> {
    const session = channel && { key: key as string, id: channel.id }
    const given = await payer.update((state) => {
      const next = steps.givenBack(state, booking, microUsd, session)
      return [next, next !== state]
    })
    if (given) inThisCall -= microUsd
  }

  /** Adds to a deposit, by a request of its own without a body. */
  async function topUp(
    offer: Offer,
    key: string,
    { channel, depositMicroUsd }: { channel: Channel; depositMicroUsd: bigint },
  ): Promise<void> {
    const signer = await payer.signer()
    const { id } = channel
    const depositUsd = toUsd(depositMicroUsd)
    await tell(offer, { how: 'topUp', amountUsd: toUsd(0n), depositUsd, sessionId: id })
    const signed = await signer.topUp(offer, channel, depositMicroUsd)
    let response = await request.send('POST', { [signer.headerOf(offer)]: signed.credential })
    const fresh =
      response?.status === 402
        ? signer.offers(response.headers, request.host).find((it) => it.kind === 'session')
        : undefined
    if (fresh) {
      // The same transaction again, so that it can't be added twice.
      const again = await signer.topUp(fresh, channel, depositMicroUsd, signed.transaction)
      response = await request.send('POST', { [signer.headerOf(fresh)]: again.credential })
    }
    if (response?.status === 410) return void (await forget(key, channel))
    const added = channel.depositMicroUsd + depositMicroUsd
    const deposit = response?.ok ? added : (await signer.stateOf(channel)).deposit
    if (deposit <= channel.depositMicroUsd) {
      const why = response ? (await errorOf(response, request.cloud)).message : 'no answer came'
      throw new JackError('payment_required', `$${depositUsd} could not be added: ${why}`, {
        hint: 'Nothing was spent. Try again.',
        fields: { session_id: id },
      })
    }
    await payer.update((state) => [
      steps.changed(state, key, id, (it) => ({ ...it, depositMicroUsd: deposit })),
      undefined,
    ])
  }

  /** Asks the chain what became of an opening that nobody heard of. */
  async function look(key: string, channel: Channel): Promise<void> {
    const { deposit, usable } = await (await payer.signer()).stateOf(channel)
    await payer.update((state, now) => [
      usable
        ? steps.changed(state, key, channel.id, (it) => ({
            ...it,
            depositMicroUsd: deposit,
            confirmed: true,
          }))
        : steps.without(state, key, channel.id, { closed: false, now }),
      undefined,
    ])
  }

  /** Asks the server which session it remembers, with a proof of who asks. */
  async function recall(offer: Offer, key: string): Promise<boolean> {
    const signer = await payer.signer()
    const accept = { 'accept-payment': 'tempo/charge' }
    let response = await request.send('HEAD', accept)
    if (response?.status === 402) {
      const proof = signer.offers(response.headers, request.host).find((it) => it.kind === 'proof')
      if (!proof) return false
      const credential = await signer.prove(proof)
      response = await request.send('HEAD', { ...accept, [signer.headerOf(proof)]: credential })
    }
    const channel = response?.ok ? await signer.remembered(offer, response.headers) : undefined
    if (channel) await keep(key, channel)
    return channel !== undefined
  }

  function keep(key: string, channel: Channel): Promise<void> {
    return payer.update((state) => [
      steps.withChannel(state, key, joined(state.channels[key], channel)),
      undefined,
    ])
  }

  /** Somebody else opens the session. Their request may take long, and the session be open long before its end. */
  async function wait(offer: Offer, key: string, round: number): Promise<void> {
    await request.pause(Math.min(200, 20 * 1.3 ** round))
    if (round > 0 && round % 10 === 0) await recall(offer, key)
  }

  /** The server did not take what was signed, and asks again. */
  async function refused(outcome: Outcome): Promise<boolean> {
    const was = pending
    if (was?.how === 'charge') {
      await decide(undefined)
      throw new JackError(
        'payment_required',
        `The server asks to be paid again: ${saidBy(outcome)}`,
        {
          status: 402,
          hint: 'A transfer was signed and sent for this call already, so nothing more is paid. See what became of it in the receipts.',
          next: [{ command: 'jack receipts', when: 'to see what was paid' }],
          cause: outcome.error,
        },
      )
    }
    await decide(0n)
    if (++refusals > 1) return false
    if (was?.how === 'session') await resynchronize(was, outcome)
    return answer(outcome)
  }

  /** Learns what other programs with this wallet, on other machines, did to the session. */
  async function resynchronize({ key, channel }: Paying, outcome: Outcome): Promise<void> {
    if (!key || !channel || !outcome.response) return
    const signer = await payer.signer()
    const offers = signer.offers(outcome.response.headers, request.host)
    const offer = offers.find((it) => it.kind === 'session')
    if (!offer) return
    if (problemOf(outcome).endsWith('/session/insufficient-balance')) {
      await payer.update((state, now) => [steps.writtenOff(state, key, channel.id, now), undefined])
    }
    if (await recall(offer, key)) return
    const { deposit, usable } = await signer.stateOf(channel)
    if (!usable) return
    await payer.update((state) => [
      steps.changed(state, key, channel.id, (it) => ({ ...it, depositMicroUsd: deposit })),
      undefined,
    ])
  }

  /** The server closed the session, or knows nothing of it: forgets it and opens another one. */
  async function reopen(outcome: Outcome): Promise<boolean> {
    const was = pending
    if (was?.how !== 'session') return false
    pending = undefined
    await was.lease?.letGo()
    if (await forget(was.key, was.channel)) await giveBack({ booking: was.booking })
    if (reopened) return false
    reopened = true
    // Without a challenge in the answer, the same request brings one.
    return (await answer(outcome)) || true
  }

  /** Whether its vouchers are worth nothing now, because the channel is closed on chain. */
  async function forget(key: string, channel: Channel): Promise<boolean> {
    const { deposit } = await (await payer.signer()).stateOf(channel)
    const closed = channel.confirmed && deposit === 0n
    await payer.update((state, now) => [
      steps.without(state, key, channel.id, { closed, now }),
      undefined,
    ])
    return closed
  }

  /** Counts what the server took. `undefined` when nobody knows: then it counts as taken. */
  async function decide(took: bigint | undefined, response?: Response): Promise<void> {
    const was = pending
    pending = undefined
    if (!was || was.how === 'proof') return
    const rest = was.booking.microUsd - (took ?? was.booking.microUsd)
    // A transfer that was signed is spent, whatever the server says: nobody can take it back.
    if (rest > 0n && was.how === 'session') await giveBack(was, rest)
    if (was.how === 'session' && was.lease) {
      if (response?.ok) await confirm(was)
      await was.lease.letGo()
    }
    if (response?.ok || took) await tellReceipt(was, took ?? was.booking.microUsd, response)
  }

  function confirm({ key, channel }: { key: string; channel: Channel }): Promise<void> {
    return payer.update((state) => [
      steps.changed(state, key, channel.id, (it) => ({ ...it, confirmed: true })),
      undefined,
    ])
  }

  async function tellReceipt(
    was: Exclude<Pending, { how: 'proof' }>,
    microUsd: bigint,
    response: Response | undefined,
  ): Promise<void> {
    const { txHash } = receiptOf(response) ?? {}
    await payer.onReceipt({
      how: was.how,
      resource: request.resource,
      chargedUsd: toUsd(microUsd),
      ...(txHash !== undefined && { transaction: txHash }),
      ...(was.how === 'session' && {
        sessionId: was.channel.id,
        leftUsd: toUsd(leftOf(was.channel)),
      }),
    })
  }

  async function tell(
    { recipient, chainId }: Offer,
    payment: Pick<Payment, 'how' | 'amountUsd' | 'depositUsd' | 'sessionId'>,
  ): Promise<void> {
    await payer.onPayment({ ...payment, resource: request.resource, recipient, chainId })
  }

  /** What the server took of what was signed; undefined when it did not say. */
  function tookOf({ value, error, response }: Outcome): bigint | undefined {
    if (!pending || pending.how === 'proof') return undefined
    const said = chargedBy(value) ?? chargedBy(error?.fields)
    if (said !== undefined) return said
    if (response?.ok || receiptOf(response)) return pending.booking.microUsd
    const own = response?.headers.get('content-type')?.startsWith('application/problem+json')
    return own && pending.how === 'session' ? 0n : undefined
  }
}

/** What one channel can pay for. */
const keyOf = (cloud: string, { chainId, recipient, token, escrow }: Offer): string =>
  [cloud, chainId, recipient, token, escrow].join(' ').toLowerCase()

function chargedBy(answer: unknown): bigint | undefined {
  const charged = (answer as { charged_usd?: unknown } | null | undefined)?.charged_usd
  try {
    return typeof charged === 'string' ? fromUsd(charged) : undefined
  } catch {
    return undefined
  }
}

/** The `Payment-Receipt` of an answer. */
function receiptOf(response: Response | undefined): { txHash?: string } | undefined {
  const header = response?.headers.get('payment-receipt')
  if (!header) return undefined
  try {
    const { txHash, method, intent, reference } = JSON.parse(
      atob(header.replaceAll('-', '+').replaceAll('_', '/')),
    )
    const hash = txHash ?? (method === 'tempo' && intent !== 'session' ? reference : undefined)
    return typeof hash === 'string' ? { txHash: hash } : {}
  } catch {
    return {}
  }
}

const isSessionGone = (outcome: Outcome): boolean =>
  /\/session\/channel-(finalized|not-found)$/.test(problemOf(outcome))

/** The type of a problem document. */
const problemOf = ({ error }: Outcome): string => String(error?.fields.type ?? '')

const saidBy = ({ error }: Outcome): string => error?.message ?? 'it does not say why.'
