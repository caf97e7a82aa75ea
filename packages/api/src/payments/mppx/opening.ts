import { Session as MppSession } from 'mppx/tempo'
import { JackError } from '../../Errors.ts'
import type { Hex, Opening } from '../../Session.ts'
import type { Presented } from '../Payments.ts'
import type { ChainClient, PaymentsConfig } from './config.ts'
import { refused, withoutData } from './refused.ts'

const { Chain } = MppSession.Precompile

/** Opens a channel with the transaction that its payer signed. One that is open already is as good. */
export async function openChannel(
  client: ChainClient,
  config: PaymentsConfig,
  it: Opening,
): Promise<{ txHash: Hex | null; depositMicroUsd: bigint }> {
  try {
    const { txHash, state } = await Chain.broadcastOpenTransaction({
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
    return { txHash: txHash as Hex, depositMicroUsd: state.deposit }
  } catch (cause) {
    const depositMicroUsd = await depositOf(client, config, it.channelId)
    if (depositMicroUsd > 0n) return { txHash: null, depositMicroUsd }
    throw refused(cause, 'The channel could not be opened')
  }
}

/** Deposits more into a channel with the transaction that its payer signed. Answers the whole deposit. */
export async function topUpChannel(
  client: ChainClient,
  config: PaymentsConfig,
  { session, additionalMicroUsd, transaction }: Extract<Presented, { kind: 'top-up' }>,
): Promise<{ depositMicroUsd: bigint }> {
  const wanted = session.depositMicroUsd + additionalMicroUsd
  try {
    const { newDeposit } = await Chain.broadcastTopUpTransaction({
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
    return { depositMicroUsd: newDeposit }
  } catch (cause) {
    const depositMicroUsd = await depositOf(client, config, session.channelId)
    if (depositMicroUsd >= wanted) return { depositMicroUsd }
    throw refused(cause, 'The channel could not be topped up')
  }
}

async function depositOf(client: ChainClient, config: PaymentsConfig, id: Hex): Promise<bigint> {
  try {
    return (await Chain.getChannelState(client, id, config.escrow)).deposit
  } catch (cause) {
    throw new JackError('unavailable', 'The chain does not answer.', {
      hint: 'Send the same request again: what was paid is not paid twice.',
      retryAfterSeconds: 2,
      cause: withoutData(cause),
    })
  }
}
