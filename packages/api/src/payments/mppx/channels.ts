import { setTimeout as sleep } from 'node:timers/promises'
import { Session as Tempo } from 'mppx/tempo'
import { type Account, type Client, isAddressEqual, type TransactionReceipt } from 'viem'
import { getContractEvents, getTransactionReceipt, waitForTransactionReceipt } from 'viem/actions'
import type { ChannelState, Closing } from '../../Channel.ts'
import type { Hex, Session } from '../../Session.ts'
import type { Payments } from '../Payments.ts'
import { backwards } from './history.ts'

const { Chain, escrowAbi } = Tempo.Precompile

/** What is needed to read channels on chain, and to take from them. */
export interface ChainAccess {
  /** Its transport has timeouts, and tries again. */
  client: Client
  /** Of the stablecoin that is paid with. */
  token: Hex
  payee: Hex
  escrow: Hex
  /** Signs what settles and closes channels. */
  operator: Account
  /** Pays the gas of that; by default the operator does. */
  feePayer?: Account | undefined
  /** What gas is paid in; by default the chain finds something. */
  feeToken?: Hex | undefined
}

/** How many channels one call to the chain asks about. */
const BATCH = 100

/** After so long a transaction is not mined any more: its nonce expires before. */
const MINED_WITHIN_MS = 30_000

/**
 * Channels on chain, asked and ended. Nothing is kept here: a transaction whose answer got lost is found again by what
 * it did, and the chain takes no second one for the same step.
 */
export function channelsOf(
  it: ChainAccess,
): Pick<Payments, 'channels' | 'close' | 'closing' | 'settle'> {
  const { client, escrow } = it
  const closings = new Map<Hex, Promise<Closing>>()

  async function channels(channelIds: readonly Hex[]): Promise<ChannelState[]> {
    const states: ChannelState[] = []
    for (let i = 0; i < channelIds.length; i += BATCH) {
      const batch = channelIds.slice(i, i + BATCH)
      const answer = await Chain.getChannelStatesBatch(client, batch, escrow)
      states.push(...answer.map(toState))
    }
    return states
  }

  const stateOf = async (channelId: Hex): Promise<ChannelState> =>
    (await channels([channelId]))[0] as ChannelState

  async function closing(session: Session): Promise<Closing | null> {
    const { channelId, openedAt } = session
    const read = (blocks: object) =>
      getContractEvents(client, {
        address: escrow,
        abi: escrowAbi,
        eventName: 'ChannelClosed',
        args: { channelId },
        strict: true,
        ...blocks,
      })
    for await (const [event] of backwards(client, openedAt, read)) {
      if (!event) continue
      const { transactionHash: hash, args } = event
      const { from } = await getTransactionReceipt(client, { hash })
      const { operator, payee } = session.descriptor
      return {
        txHash: hash,
        capturedMicroUsd: args.settledToPayee,
        refundedMicroUsd: args.refundedToPayer,
        by: [operator, payee].some((us) => isAddressEqual(us, from)) ? 'us' : 'payer',
      }
    }
    return null
  }

  /** How a channel that is gone ended. Where several nodes answer, one may know of that before another does. */
  async function endOf(session: Session): Promise<Closing> {
    for (const pauseMs of [0, 250, 500, 1_000]) {
      await sleep(pauseMs)
      const found = await closing(session)
      if (found) return found
    }
    throw new Error(`The chain has no channel ${session.channelId}, nor says how it ended.`)
  }

  async function close(session: Session, captureMicroUsd: bigint): Promise<Closing> {
    const { channelId, descriptor, authorizedMicroUsd, signature } = session
    const before = await stateOf(channelId)
    if (isGone(before)) return endOf(session)
    try {
      // What was settled cannot be given back.
      const capture = most(captureMicroUsd, before.settledMicroUsd)
      const cumulative = most(authorizedMicroUsd, capture)
      const { hash, receipt } = await mined(
        Chain.closeOnChain(client, descriptor, cumulative, capture, signature, escrow, signing(it)),
      )
      const event = Chain.getChannelEvent(receipt, 'ChannelClosed', channelId)
      const { settledToPayee, refundedToPayer } = Chain.readChannelClosedReceiptFields(event)
      return {
        txHash: hash,
        capturedMicroUsd: settledToPayee,
        refundedMicroUsd: refundedToPayer,
        by: 'us',
      }
    } catch (error) {
      // It may have happened although nobody could tell us, or something else was faster.
      if (!isGone(await stateOf(channelId))) throw error
      return endOf(session)
    }
  }

  async function settle(
    session: Session,
    voucher: Parameters<Payments['settle']>[1],
  ): Promise<Hex> {
    const { channelId, descriptor } = session
    const isSettled = async () =>
      (await stateOf(channelId)).settledMicroUsd >= voucher.cumulativeMicroUsd
    if (await isSettled()) return settledBy(session)
    try {
      const { cumulativeMicroUsd, signature } = voucher
      const { hash } = await mined(
        Chain.settleOnChain(client, descriptor, cumulativeMicroUsd, signature, escrow, signing(it)),
      )
      return hash
    } catch (error) {
      if (!(await isSettled())) throw error
      return settledBy(session)
    }
  }

  /** The last transaction that settled a channel. */
  async function settledBy({ channelId, openedAt }: Session): Promise<Hex> {
    const read = (blocks: object) =>
      getContractEvents(client, {
        address: escrow,
        abi: escrowAbi,
        eventName: 'Settled',
        args: { channelId },
        ...blocks,
      })
    for await (const events of backwards(client, openedAt, read)) {
      const last = events.at(-1)
      if (last) return last.transactionHash
    }
    throw new Error(`The chain does not say who settled the channel ${channelId}.`)
  }

  async function mined(sent: Promise<Hex>): Promise<{ hash: Hex; receipt: TransactionReceipt }> {
    const hash = await sent
    const receipt = await waitForTransactionReceipt(client, {
      hash,
      checkReplacement: false,
      timeout: MINED_WITHIN_MS,
    })
    if (receipt.status !== 'success') throw new Error(`The transaction ${hash} was reverted.`)
    return { hash, receipt }
  }

  return {
    channels,
    closing,
    settle,
    close(session, captureMicroUsd) {
      const { channelId } = session
      const underWay =
        closings.get(channelId) ??
        close(session, captureMicroUsd).finally(() => closings.delete(channelId))
      closings.set(channelId, underWay)
      return underWay
    },
  }
}

const isGone = (it: ChannelState): boolean => it.depositMicroUsd === 0n

const most = (a: bigint, b: bigint): bigint => (a > b ? a : b)

const signing = ({ operator, feePayer, feeToken, token }: ChainAccess) => ({
  account: operator,
  feePayer,
  feeToken,
  candidateFeeTokens: [token],
})

const toState = (it: Awaited<ReturnType<typeof Chain.getChannelState>>): ChannelState => ({
  depositMicroUsd: it.deposit,
  settledMicroUsd: it.settled,
  closeRequestedAt: it.closeRequestedAt === 0 ? null : new Date(it.closeRequestedAt * 1_000),
})
