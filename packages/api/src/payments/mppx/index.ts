import { Receipt } from 'mppx'
import { Session as MppSession } from 'mppx/tempo'
import { createClient, http } from 'viem'
import type { Hex, Session } from '../../Session.ts'
import type { Payments } from '../Payments.ts'
import { booksOf } from './books.ts'
import { chainOf } from './chains.ts'
import { challengesOf, priceTagsOf } from './challenges.ts'
import { channelsOf } from './channels.ts'
import { findCharge, isOver, sendCharge, validateCharge } from './charges.ts'
import type { ChainClient, PaymentsConfig } from './config.ts'
import { isOurs, readCredential } from './credentials.ts'
import { openChannel, topUpChannel } from './opening.ts'
import { guarded } from './refused.ts'

/** Payments by the Machine Payments Protocol on a Tempo chain. */
export function createPayments(
  config: PaymentsConfig,
  it: { now(): Date; sessionOf(channelId: Hex): Promise<Session | undefined> },
): Payments {
  const client: ChainClient = createClient({
    chain: chainOf(config),
    transport: http(config.rpcUrl, { timeout: 15_000, retryCount: 2 }),
    account: config.operator,
    pollingInterval: 100,
  })
  const { token, payee, escrow, operator, feePayer } = config
  const access = {
    client,
    token,
    payee,
    escrow,
    operator,
    feePayer: feePayer ?? undefined,
    feeToken: token,
  }
  const openings = new Map<Hex, ReturnType<Payments['open']>>()
  const port = guarded<Omit<Payments, 'read'>>({
    ...channelsOf(access),
    ...booksOf(access),
    chain: {
      id: config.chainId,
      rpcUrl: config.rpcUrl,
      token: config.token,
      payee: config.payee,
      operator: config.operator.address.toLowerCase() as Hex,
      escrow: config.escrow,
    },
    challenges: (offer) => challengesOf(config, offer, it.now()),
    priceTags: (price) => priceTagsOf(config, price),
    isOurs: (header) => isOurs(config, header),
    receipt: ({ challengeId, session, txHash }) =>
      session
        ? MppSession.Precompile.Protocol.serializeSessionReceipt(
            MppSession.Precompile.Protocol.createSessionReceipt({
              challengeId,
              channelId: session.channelId,
              acceptedCumulative: session.authorizedMicroUsd,
              spent: session.spentMicroUsd,
              ...(txHash && { txHash }),
            }),
          )
        : Receipt.serialize({
            method: 'tempo',
            status: 'success',
            timestamp: it.now().toISOString(),
            reference: txHash ?? challengeId,
          }),
    snapshot: (session) => ({
      'payment-session': session.channelId,
      'payment-session-snapshot': MppSession.serializeSnapshot({
        acceptedCumulative: session.authorizedMicroUsd.toString(),
        chainId: session.chainId,
        channelId: session.channelId,
        deposit: session.depositMicroUsd.toString(),
        descriptor: session.descriptor as never,
        escrow: session.escrow,
        highestVoucher: {
          channelId: session.channelId,
          cumulativeAmount: session.authorizedMicroUsd.toString(),
          signature: session.signature,
        },
        requiredCumulative: session.committedMicroUsd.toString(),
        settled: session.settledMicroUsd.toString(),
        spent: session.spentMicroUsd.toString(),
      }),
    }),
    // Whoever opens what is being opened waits for the same transaction.
    open(opening) {
      const { channelId } = opening
      const underWay =
        openings.get(channelId) ??
        openChannel(client, config, opening).finally(() => openings.delete(channelId))
      openings.set(channelId, underWay)
      return underWay
    },
    topUp: (topUp) => topUpChannel(client, config, topUp),
    validateCharge: (charge) => validateCharge(client, config, charge),
    sendCharge: (charge) => sendCharge(client, config, charge),
    findCharge: (charge) => findCharge(client, config, charge),
    isOver: (charge) => isOver(client, charge),
  })
  // It asks our database and no chain: what that throws says whether it is away.
  return { ...port, read: (header) => readCredential({ config, ...it }, header) }
}
