import type { Outcome, Purchase, Purchasing } from '../fetch.ts'
import { JackError } from '../JackError.ts'
import { toUsd } from '../wire/Usd.ts'
import { chargedBy, isProblem, isSessionGone, receiptOf } from './answers.ts'
import { type Channel, leftOf } from './Channel.ts'
import type { Offer } from './Offer.ts'
import { type Lease, type Place, type Purse, tell } from './Purse.ts'
import type { Booking } from './Spending.ts'
import * as session from './session.ts'
import * as steps from './steps.ts'

/** What was signed for this call, and whose outcome nobody knows yet. */
type Pending =
  | { how: 'proof' }
  | { how: 'charge'; booking: Booking }
  | {
      how: 'session'
      booking: Booking
      place: Place
      channel: Channel
      challengeId: string
      /** When it opens the session. */
      lease?: Lease
    }

/** What was booked, and the session in which a voucher was handed out for it. */
interface Paying {
  booking: Booking
  place?: Place
  channel?: Channel
}

/**
 * Pays for one call. What was signed is sent again, as it is, until the server says what became of it. Only when it
 * says that it did not take it, another one is signed, once; and none after a transfer on chain.
 */
export function purchase(purse: Purse, request: Purchasing): Purchase {
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
      if (isSessionGone(outcome)) return reopen(outcome)
      if (outcome.response?.status === 402) return pending ? refused(outcome) : answer(outcome)
      await decide(tookOf(outcome), outcome)
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
    const signer = await purse.signer()
    const offers = signer.offers(response.headers, request.host)
    const proof = offers.find((it) => it.kind === 'proof')
    if (proof) return carry(proof, await signer.prove(proof), { how: 'proof' })
    const offer = offers.find((it) => purse.pays(it.kind))
    if (offer) return offer.kind === 'charge' ? charge(offer) : paySession(offer)
    if (offers.length === 0) return false
    throw new JackError('payment_required', `This is paid by ${offers[0]?.kind} only.`, {
      status: 402,
      hint: 'The option `pay` of this wallet does not allow that.',
    })
  }

  async function carry(offer: Offer, credential: string, it: Pending): Promise<true> {
    headers = { [(await purse.signer()).headerOf(offer)]: credential }
    pending = it
    return true
  }

  async function charge(offer: Offer): Promise<true> {
    const price = offer.priceMicroUsd
    const booking = await purse.update((state, now) => {
      const booked = steps.bookCharge(state, price, purse.rules, { now, inThisCall })
      return [booked.state, booked.booking]
    })
    return unlessItFails({ booking }, async () => {
      await tell({ purse, request }, offer, { how: 'charge', amountUsd: toUsd(price) })
      const credential = await (await purse.signer()).charge(offer)
      return carry(offer, credential, { how: 'charge', booking })
    })
  }

  async function paySession(offer: Offer): Promise<true> {
    const key = keyOf(request.cloud, offer)
    const place = { purse, request, key }
    const lease = purse.lease(key)
    let asked = false
    try {
      for (let round = 0; ; round++) {
        const step = await purse.update((state, now) => {
          const moment = { now, holder: lease.holder, inThisCall, asked }
          const next = steps.nextStep(state, { ...offer, key }, purse.rules, moment)
          return [next.state, next.step]
        })
        if (step.do === 'voucher') return await payByVoucher(offer, place, step)
        if (step.do === 'wait') {
          await session.wait(place, offer, round)
          continue
        }
        lease.hold()
        if (step.do === 'open') return await openSession(offer, place, lease, step)
        if (step.do === 'topUp') await session.topUp(place, offer, step)
        if (step.do === 'look') await session.look(place, step.channel)
        if (step.do === 'ask') asked = (await session.recall(place, offer)) || true
      }
    } finally {
      if (!(pending?.how === 'session' && pending.lease)) await lease.letGo()
    }
  }

  async function payByVoucher(
    offer: Offer,
    place: Place,
    { channel, booking }: { channel: Channel; booking: Booking },
  ): Promise<true> {
    return unlessItFails({ booking, place, channel }, async () => {
      const amountUsd = toUsd(offer.priceMicroUsd)
      await tell(place, offer, { how: 'voucher', amountUsd, sessionId: channel.id })
      const credential = await (await purse.signer()).voucher(offer, channel)
      const challengeId = offer.challenge.id
      return carry(offer, credential, { how: 'session', booking, place, channel, challengeId })
    })
  }

  async function openSession(
    offer: Offer,
    place: Place,
    lease: Lease,
    { depositMicroUsd, booking }: { depositMicroUsd: bigint; booking: Booking },
  ): Promise<true> {
    return unlessItFails({ booking }, async () => {
      const signer = await purse.signer()
      const deposit = await signer.affordable(offer, depositMicroUsd, offer.priceMicroUsd)
      const amountUsd = toUsd(offer.priceMicroUsd)
      await tell(place, offer, { how: 'open', amountUsd, depositUsd: toUsd(deposit) })
      const { channel, credential } = await signer.open(offer, deposit)
      // Kept before it is sent: a deposit must not be forgotten.
      await purse.change((state) => steps.withChannel(state, place.key, channel))
      const challengeId = offer.challenge.id
      return carry(offer, credential, {
        how: 'session',
        booking,
        place,
        channel,
        challengeId,
        lease,
      })
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
    { booking, place, channel }: Paying,
    microUsd = booking.microUsd,
  ): Promise<void> {
    const paidFrom = place && channel && { key: place.key, id: channel.id }
    const given = await purse.update((state) => {
      const next = steps.givenBack(state, booking, microUsd, paidFrom)
      return [next, next !== state]
    })
    if (given) inThisCall -= microUsd
  }

  /** The server did not take what was signed, and asks again. */
  async function refused(outcome: Outcome): Promise<boolean> {
    const was = pending
    if (was?.how === 'charge') {
      await decide(undefined)
      throw paidAlready(outcome)
    }
    await decide(0n)
    if (++refusals > 1) return false
    if (was?.how === 'session') await session.resynchronize(was.place, was.channel, outcome)
    return answer(outcome)
  }

  /** The server closed the session, or knows nothing of it: forgets it and opens another one, once. */
  async function reopen(outcome: Outcome): Promise<boolean> {
    const was = pending
    if (was?.how !== 'session') return false
    pending = undefined
    await was.lease?.letGo()
    if (await session.forget(was.place, was.channel)) await giveBack({ booking: was.booking })
    if (reopened) return false
    reopened = true
    // Without a challenge in the answer, the same request brings one.
    return (await answer(outcome)) || true
  }

  /** What the server took of what was signed; undefined when nobody knows. */
  function tookOf(outcome: Outcome): bigint | undefined {
    if (!pending || pending.how === 'proof') return undefined
    const receipt = receiptOf(outcome.response)
    // An answer that was stored before, and paid for then.
    if (
      pending.how === 'session' &&
      receipt?.challengeId !== undefined &&
      receipt.challengeId !== pending.challengeId
    )
      return 0n
    const said = chargedBy(outcome)
    if (said !== undefined) return said
    if (outcome.response?.ok || receipt) return pending.booking.microUsd
    return pending.how === 'session' && isProblem(outcome) ? 0n : undefined
  }

  /** Counts what the server took; what nobody knows of counts as taken. */
  async function decide(took: bigint | undefined, outcome: Outcome = {}): Promise<void> {
    const was = pending
    pending = undefined
    if (!was || was.how === 'proof') return
    const { ok = false } = outcome.response ?? {}
    if (was.how === 'session') {
      const rest = was.booking.microUsd - (took ?? was.booking.microUsd)
      // A transfer that was signed stays spent, whatever the server says: nobody can take it back.
      if (rest > 0n) await giveBack(was, rest)
      if (was.lease && ok) {
        const { place, channel } = was
        await purse.change((state) =>
          steps.changed(state, place.key, channel.id, (it) => ({ ...it, confirmed: true })),
        )
      }
      await was.lease?.letGo()
    }
    if (!ok && !took) return
    const { transaction } = receiptOf(outcome.response) ?? {}
    purse.onReceipt({
      how: was.how,
      resource: request.resource,
      chargedUsd: toUsd(took ?? was.booking.microUsd),
      ...(transaction !== undefined && { transaction }),
      ...(was.how === 'session' && {
        sessionId: was.channel.id,
        leftUsd: toUsd(leftOf(was.channel)),
      }),
    })
  }
}

/** What one channel can pay for. */
const keyOf = (cloud: string, { chainId, recipient, token, escrow }: Offer): string =>
  [cloud, chainId, recipient, token, escrow].join(' ').toLowerCase()

const paidAlready = ({ error }: Outcome): JackError =>
  new JackError(
    'payment_required',
    `The server asks to be paid again: ${error?.message ?? 'it does not say why.'}`,
    {
      status: 402,
      hint: 'A transfer was signed and sent for this call already, so nothing more is paid. See what became of it in the receipts.',
      next: [{ command: 'jack receipts', when: 'to see what was paid' }],
      cause: error,
    },
  )
