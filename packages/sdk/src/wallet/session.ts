import type { Outcome } from '../fetch.ts'
import { errorOf, JackError } from '../JackError.ts'
import { toUsd } from '../wire/Usd.ts'
import { isInsufficient } from './answers.ts'
import { type Channel, joined } from './Channel.ts'
import type { Offer } from './Offer.ts'
import { type Place, tell } from './Purse.ts'
import * as steps from './steps.ts'

/*
 * What is asked about a session, of the server and of the chain, between two steps of paying. All of it ends in what the
 * wallet remembers, where the next step finds it.
 */

/** Adds to the deposit, by a request of its own without a body. Throws when that failed; then nothing was spent. */
export async function topUp(
  place: Place,
  offer: Offer,
  { channel, ...step }: { channel: Channel; depositMicroUsd: bigint; leastMicroUsd: bigint },
): Promise<void> {
  const { purse, request, key } = place
  const signer = await purse.signer()
  const { id } = channel
  const depositMicroUsd = await signer.affordable(offer, step.depositMicroUsd, step.leastMicroUsd)
  const depositUsd = toUsd(depositMicroUsd)
  await tell(place, offer, { how: 'topUp', amountUsd: toUsd(0n), depositUsd, sessionId: id })
  const signed = await signer.topUp(offer, channel, depositMicroUsd)
  let response = await request.send('POST', { [signer.headerOf(offer)]: signed.credential })
  const fresh = response?.status === 402 ? sessionOffer(place, response, signer) : undefined
  if (fresh) {
    // The same transaction again, so that it can't be added twice.
    const again = await signer.topUp(fresh, channel, depositMicroUsd, signed.transaction)
    response = await request.send('POST', { [signer.headerOf(fresh)]: again.credential })
  }
  if (response?.status === 410) return void (await forget(place, channel))
  const added = channel.depositMicroUsd + depositMicroUsd
  const deposit = response?.ok ? added : (await signer.stateOf(channel)).deposit
  if (deposit <= channel.depositMicroUsd) {
    const said = response && (await errorOf(response, request.cloud))
    const why = said?.message ?? 'no answer came.'
    throw new JackError(said?.code ?? 'network', `$${depositUsd} could not be added: ${why}`, {
      hint: 'Nothing was spent. Try again.',
      fields: { session_id: id },
    })
  }
  await purse.change((state) =>
    steps.changed(state, key, id, (it) => ({ ...it, depositMicroUsd: deposit })),
  )
}

/** Asks the chain what became of an opening that nobody heard of. */
export async function look({ purse, key }: Place, channel: Channel): Promise<void> {
  const { deposit, usable } = await (await purse.signer()).stateOf(channel)
  await purse.change((state, now) =>
    usable
      ? steps.changed(state, key, channel.id, (it) => ({
          ...it,
          depositMicroUsd: deposit,
          confirmed: true,
        }))
      : steps.without(state, key, channel.id, { closed: false, now }),
  )
}

/** Asks the server which session it remembers, with a proof of who asks. Whether there is one. */
export async function recall({ purse, request, key }: Place, offer: Offer): Promise<boolean> {
  const signer = await purse.signer()
  const accept = { 'accept-payment': 'tempo/charge' }
  let response = await request.send('HEAD', accept)
  if (response?.status === 402) {
    const proof = signer.offers(response.headers, request.host).find((it) => it.kind === 'proof')
    if (!proof) return false
    const credential = await signer.prove(proof)
    response = await request.send('HEAD', { ...accept, [signer.headerOf(proof)]: credential })
  }
  const channel = response?.ok ? await signer.remembered(offer, response.headers) : undefined
  if (!channel) return false
  await purse.change((state) => steps.withChannel(state, key, joined(state.channels[key], channel)))
  return true
}

/**
 * Waits for somebody else who opens the session or adds to it. That may be part of a long request, and the session be
 * open long before its end: so the server is asked now and then.
 */
export async function wait(place: Place, offer: Offer, round: number): Promise<void> {
  await place.request.pause(Math.min(200, 20 * 1.3 ** round))
  if (round > 0 && round % 10 === 0) await recall(place, offer)
}

/** Learns what other programs with this wallet, on other machines, did to a session whose voucher was refused. */
export async function resynchronize(
  place: Place,
  channel: Channel,
  outcome: Outcome,
): Promise<void> {
  const { purse, key } = place
  const signer = await purse.signer()
  const offer = outcome.response && sessionOffer(place, outcome.response, signer)
  if (!offer) return
  if (isInsufficient(outcome)) {
    await purse.change((state, now) => steps.writtenOff(state, key, channel.id, now))
  }
  if (await recall(place, offer)) return
  const { deposit, usable } = await signer.stateOf(channel)
  if (!usable) return
  await purse.change((state) =>
    steps.changed(state, key, channel.id, (it) => ({ ...it, depositMicroUsd: deposit })),
  )
}

/** Whether the vouchers of a session that is forgotten are worth nothing now, because it is closed on chain. */
export async function forget({ purse, key }: Place, channel: Channel): Promise<boolean> {
  const { deposit } = await (await purse.signer()).stateOf(channel)
  const closed = channel.confirmed && deposit === 0n
  await purse.change((state, now) => steps.without(state, key, channel.id, { closed, now }))
  return closed
}

const sessionOffer = (
  { request }: Place,
  response: Response,
  signer: { offers(headers: Headers, host: string): Offer[] },
): Offer | undefined =>
  signer.offers(response.headers, request.host).find((it) => it.kind === 'session')
