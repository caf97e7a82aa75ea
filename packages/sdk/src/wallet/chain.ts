import { Session } from 'mppx/tempo'
import { type Account, type Client, createClient, http } from 'viem'
import { Actions } from 'viem/tempo'
import { tempoLocalnet, tempo as tempoMainnet, tempoModerato } from 'viem/tempo/chains'
import { JackError } from '../JackError.ts'
import { toUsd } from '../wire/Usd.ts'
import type { Channel } from './Channel.ts'
import type { Offer } from './Offer.ts'

export interface ChainOptions {
  /** The node that is asked about the chain. Default: the chain's public one; of a local chain, what the cloud says. */
  rpcUrl?: string | undefined
  /** Where the node of a local chain is, when `rpcUrl` does not say. */
  localRpcUrl?: (() => Promise<string>) | undefined
  /** The only chain to pay on. Default: whichever the server names, of those that are known. */
  chainId?: number | undefined
}

const chains = [tempoMainnet, tempoModerato, tempoLocalnet]

/** The chains that a wallet pays on. Everything here only asks. Throws JackErrors. */
export function createChain(account: Account, options: ChainOptions) {
  const { rpcUrl, chainId: onlyChain } = options
  const clients = new Map<number, Client>()
  const dollars = new Set<string>()

  function clientOf(chainId: number): Client {
    const known = clients.get(chainId)
    if (known) return known
    const chain = chains.find((it) => it.id === chainId)
    if (!chain || (onlyChain !== undefined && chainId !== onlyChain)) {
      throw new JackError(
        'payment_required',
        `The server wants to be paid on chain ${chainId}, and this wallet does not pay there.`,
        {
          hint:
            onlyChain === undefined
              ? `Known are ${chains.map((it) => `${it.id} (${it.name})`).join(', ')}.`
              : `It pays on chain ${onlyChain} only: change \`chainId\`.`,
        },
      )
    }
    const client = createClient({
      account,
      chain,
      transport: transportTo(chain),
      pollingInterval: 200,
    })
    clients.set(chainId, client as Client)
    return client as Client
  }

  function transportTo(chain: { id: number }) {
    if (rpcUrl !== undefined || chain.id !== tempoLocalnet.id || !options.localRpcUrl)
      return http(rpcUrl)
    const found = options.localRpcUrl
    return http(undefined, { fetchFn: async (_url, init) => fetch(await found(), init) })
  }

  return { clientOf, ask, stateOf, assertDollars, assertFunds }

  /** What the chain holds for a channel: nothing for one that was never opened, or is closed. */
  async function stateOf({
    id,
    chainId,
    escrow,
  }: Pick<Channel, 'id' | 'chainId' | 'escrow'>): Promise<{ deposit: bigint; usable: boolean }> {
    const { deposit, closeRequestedAt } = await ask(() =>
      Session.Precompile.Chain.getChannelState(clientOf(chainId), id, escrow),
    )
    return { deposit, usable: deposit > 0n && closeRequestedAt === 0 }
  }

  /** Limits are in dollars: a token that counts in something else is not paid with. */
  async function assertDollars({ chainId, token }: Offer): Promise<void> {
    const key = `${chainId} ${token.toLowerCase()}`
    if (dollars.has(key)) return
    const { currency, decimals } = await ask(() =>
      Actions.token.getMetadata(clientOf(chainId), { token }),
    )
    if (currency !== 'USD' || decimals !== 6) {
      throw new JackError(
        'payment_required',
        `The server wants to be paid in ${currency}; this wallet pays in USD only.`,
      )
    }
    dollars.add(key)
  }

  async function assertFunds({ chainId, token }: Offer, microUsd: bigint): Promise<bigint> {
    const balance = await ask(() =>
      Actions.token.getBalance(clientOf(chainId), { account: account.address, token }),
    )
    const has = typeof balance === 'bigint' ? balance : (balance as { amount: bigint }).amount
    if (has >= microUsd) return has
    throw new JackError(
      'insufficient_balance',
      `The wallet ${account.address} has $${toUsd(has)} on chain ${chainId}, and $${toUsd(microUsd)} are needed.`,
      {
        hint: 'Send it money, and try again.',
        next: [{ command: 'jack wallet fund', when: 'to see where to' }],
        fields: { address: account.address, balance_usd: toUsd(has), needed_usd: toUsd(microUsd) },
      },
    )
  }

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (cause) {
      if (cause instanceof JackError) throw cause
      const node = rpcUrl ?? "the chain's public node"
      if (mayAnswerLater(cause)) {
        throw new JackError('network', `The node of the chain does not answer: ${wordsOf(cause)}`, {
          hint: `Nothing was paid. Try again, or set \`rpcUrl\` or JACK_RPC_URL to another node than ${node}.`,
          cause,
        })
      }
      throw new JackError('payment_required', `The payment could not be made: ${wordsOf(cause)}`, {
        hint: `Is ${node} the node of the right chain? Set \`rpcUrl\` or JACK_RPC_URL.`,
        cause,
      })
    }
  }
}

/** Whether a node is away, in trouble or busy. */
function mayAnswerLater(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { status = 503 } = at as { status?: number }
    if (at.name === 'HttpRequestError') return status >= 500 || status === 429
    if (['TimeoutError', 'InternalRpcError', 'LimitExceededRpcError'].includes(at.name)) return true
  }
  return false
}

/** What the node or the library says, in a line. */
function wordsOf(error: unknown): string {
  const { details, shortMessage, message } = error as Record<string, string | undefined>
  return (details || shortMessage || message || String(error)).split('\n')[0] as string
}
