import { Session as Tempo } from 'mppx/tempo'
import { erc20Abi } from 'viem'
import { getContractEvents } from 'viem/actions'
import type { Income } from '../../Channel.ts'
import type { Hex } from '../../Session.ts'
import type { Payments } from '../Payments.ts'
import type { ChainAccess } from './channels.ts'
import * as history from './history.ts'

const { escrowAbi } = Tempo.Precompile

/** What the chain says of all money that was meant for our payee. */
export function booksOf(
  it: Pick<ChainAccess, 'client' | 'token' | 'payee' | 'escrow'>,
): Pick<Payments, 'openedChannels' | 'income'> {
  const { client, token, payee, escrow } = it
  const ofChannels = { address: escrow, abi: escrowAbi, args: { payee }, strict: true } as const

  return {
    async openedChannels(since) {
      const opened = await history.since(client, since, (blocks) =>
        getContractEvents(client, { ...ofChannels, eventName: 'ChannelOpened', ...blocks }),
      )
      return opened.map(({ args, transactionHash }) => ({
        channelId: lower(args.channelId),
        payer: lower(args.payer),
        depositMicroUsd: args.deposit,
        txHash: transactionHash,
      }))
    },

    async income(since) {
      const taken = await history.since(client, since, async (blocks) => [
        ...(await getContractEvents(client, { ...ofChannels, eventName: 'Settled', ...blocks })),
        ...(await getContractEvents(client, {
          ...ofChannels,
          eventName: 'ChannelClosed',
          ...blocks,
        })),
      ])
      const transfers = await history.since(client, since, (blocks) =>
        getContractEvents(client, {
          address: token,
          abi: erc20Abi,
          eventName: 'Transfer',
          args: { to: payee },
          strict: true,
          ...blocks,
        }),
      )
      const takenBy = Map.groupBy(taken, (event) => event.transactionHash)
      return transfers.map(({ args, transactionHash, logIndex }): Income => {
        const from = lower(args.from)
        // A channel pays first, and then says so.
        const said = takenBy
          .get(transactionHash)
          ?.filter((event) => event.logIndex > logIndex)
          .sort((a, b) => a.logIndex - b.logIndex)
        return {
          txHash: transactionHash,
          amountMicroUsd: args.value,
          from,
          channelId: (from === lower(escrow) && said?.[0]?.args.channelId) || null,
        }
      })
    },
  }
}

const lower = (hex: Hex): Hex => hex.toLowerCase() as Hex
