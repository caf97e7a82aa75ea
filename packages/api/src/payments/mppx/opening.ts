import { setTimeout as sleep } from 'node:timers/promises'
import { Session as MppSession } from 'mppx/tempo'
import { JackError } from '../../Errors.ts'
import type { Hex, Opening } from '../../Session.ts'
import type { Presented } from '../Payments.ts'
import { paymentProblem } from '../problems.ts'
import type { ChainClient, PaymentsConfig } from './config.ts'
import { isAway, refused, withoutData, wordsOf } from './refused.ts'

const { Chain } = MppSession.Precompile

/** Opens a channel with the transaction that its payer signed. One that is open already is as good. */
export async function openChannel(
  client: ChainClient,
  config: PaymentsConfig,
  it: Opening,
): Promise<{ txHash: Hex | null; depositMicroUsd: bigint }> {
  let txHash: Hex | null = null
  let failure: unknown
  try {
    const opening = Chain.broadcastOpenTransaction({
      chainId: config.chainId,
      client,
      escrowContract: config.escrow,
      expectedAuthorizedSigner: it.descriptor.authorizedSigner,
      expectedChannelId: it.channelId,
      expectedCurrency: config.token,
      expectedOperator: config.operator.address,
      expectedPayee: config.payee,
      expectedPayer: it.payer,
      expectedExpiringNonceHash: it.descriptor.expiringNonceHash,
      serializedTransaction: it.transaction,
      ...(config.feePayer && { feePayer: config.feePayer }),
    })
    txHash = (await inTime(opening)).txHash as Hex
  } catch (error) {
    failure = error
  }
  // The transaction may be one that was mined before: what counts is what is there now.
  const { deposit, closeRequestedAt } = await stateOf(client, config, it.channelId)
  if (closeRequestedAt !== 0)
    throw paymentProblem('session/channel-finalized', 'The payer asked the chain for this money.')
  if (deposit > 0n) return { txHash, depositMicroUsd: deposit }
  if (txHash || isUnknown(failure)) throw unknown(failure)
  throw refused(failure, 'The channel could not be opened')
}

/** Deposits more into a channel with the transaction that its payer signed. Answers the whole deposit. */
export async function topUpChannel(
  client: ChainClient,
  config: PaymentsConfig,
  { session, additionalMicroUsd, transaction }: Extract<Presented, { kind: 'top-up' }>,
): Promise<{ depositMicroUsd: bigint }> {
  const wanted = session.depositMicroUsd + additionalMicroUsd
  try {
    const deposit = Chain.broadcastTopUpTransaction({
      additionalDeposit: additionalMicroUsd as never,
      chainId: config.chainId,
      client,
      descriptor: session.descriptor as never,
      escrowContract: config.escrow,
      expectedChannelId: session.channelId,
      expectedCurrency: config.token,
      serializedTransaction: transaction,
      ...(config.feePayer && { feePayer: config.feePayer }),
    })
    const { newDeposit } = await inTime(deposit)
    return { depositMicroUsd: newDeposit }
  } catch (cause) {
    const { deposit } = await stateOf(client, config, session.channelId)
    if (deposit >= wanted) return { depositMicroUsd: deposit }
    if (isUnknown(cause)) throw unknown(cause)
    throw refused(cause, 'The channel could not be topped up')
  }
}

/** The library waits for minutes, also for a transaction that pays no miner enough, and is void after half a minute. */
async function inTime<T>(sent: Promise<T>): Promise<T> {
  const over = new AbortController()
  const timeout = sleep(35_000, undefined, { signal: over.signal }).then(() => {
    throw new Error('timeout: the transaction was not mined')
  })
  try {
    return await Promise.race([sent, timeout])
  } finally {
    over.abort()
  }
}

async function stateOf(client: ChainClient, { escrow }: PaymentsConfig, id: Hex) {
  try {
    return await Chain.getChannelState(client, id, escrow)
  } catch (cause) {
    throw unknown(cause)
  }
}

/** Whether a transaction may still come to something: no answer came, or the chain knows it from somebody else. */
const isUnknown = (cause: unknown): boolean =>
  isAway(cause) ||
  /timeout|HttpRequest|already|known/i.test(`${(cause as Error).name} ${wordsOf(cause)}`)

const unknown = (cause: unknown): JackError =>
  new JackError('unavailable', 'The chain does not answer.', {
    hint: 'Send the same request again: what was paid is not paid twice.',
    retryAfterSeconds: 2,
    cause: withoutData(cause),
  })
