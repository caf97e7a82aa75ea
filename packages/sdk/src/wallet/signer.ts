import { Challenge, Credential } from 'mppx'
import { tempo } from 'mppx/client'
import { Session } from 'mppx/tempo'
import { type Account, type Client, createClient, http, type LocalAccount } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { Actions } from 'viem/tempo'
import { tempoLocalnet, tempo as tempoMainnet, tempoModerato } from 'viem/tempo/chains'
import { JackError } from '../JackError.ts'
import { toUsd } from '../wire/Usd.ts'
import type { Channel, Descriptor, Hex } from './Channel.ts'
import { isFor, type Offer, readOffer } from './Offer.ts'

/** What pays: an account of viem that signs in this process, or a private key. */
export type WalletAccount = LocalAccount | { privateKey: Hex }

export interface SignerOptions {
  account: WalletAccount
  /** The node that is asked about the chain. Default: the chain's public one; of a local chain, what the cloud says. */
  rpcUrl?: string | undefined
  /** Where the node of a local chain is, when `rpcUrl` does not say. */
  localRpcUrl?: (() => Promise<string>) | undefined
  /** The only chain to pay on. Default: whichever the server names, of those that are known. */
  chainId?: number | undefined
}

export type Signer = ReturnType<typeof createSigner>

const { Precompile } = Session
const chains = [tempoMainnet, tempoModerato, tempoLocalnet]

/**
 * Everything that needs the key or the chain: reads what a server asks for, and makes the credentials that answer it.
 * It decides nothing, keeps nothing and sends nothing but questions to the chain.
 */
export function createSigner(options: SignerOptions) {
  const { account: given, rpcUrl, chainId: onlyChain } = options
  const account = accountOf(given)
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

  const getClient = ({ chainId }: { chainId?: number | undefined }) => clientOf(chainId as number)
  const charge = tempo.charge({ account, getClient, mode: 'pull' })
  // It keeps nothing: which channel is used, and for how much, is said each time.
  const session = tempo.session({
    account,
    getClient,
    channelStore: { get: () => undefined, set() {}, delete() {} },
  })

  /** A credential for `offer` by what `make` makes of its challenge. */
  async function sessionCredential(
    { challenge }: Offer,
    context: Parameters<typeof session.createCredential>[0]['context'],
  ): Promise<string> {
    // What the server remembers of us is looked at elsewhere; here it would replace what is to be signed.
    const { sessionSnapshot: _, ...methodDetails } = challenge.request.methodDetails as object & {
      sessionSnapshot?: unknown
    }
    const plain = { ...challenge, request: { ...challenge.request, methodDetails } }
    const made = await onChain(() =>
      session.createCredential({ challenge: plain as never, context }),
    )
    return Credential.serialize({ ...Credential.deserialize(made), challenge })
  }

  return {
    address: account.address as Hex,

    /** What a 402 offers, in its order. Throws when a challenge is another server's. */
    offers(headers: Headers, host: string): Offer[] {
      if (!/\bpayment\b/i.test(headers.get('www-authenticate') ?? '')) return []
      let challenges: Challenge.Challenge[]
      try {
        challenges = Challenge.fromHeadersList(headers)
      } catch (cause) {
        throw new JackError(
          'bad_answer',
          'The server asks to be paid in a way that makes no sense.',
          { cause },
        )
      }
      const foreign = challenges.find((it) => !isFor(host, it.realm))
      if (foreign) {
        throw new JackError(
          'payment_required',
          `${host} passed on a request for payment of "${foreign.realm}". Nothing was signed.`,
          { hint: `Use the URL of ${foreign.realm} itself, if that is whom you want to pay.` },
        )
      }
      return challenges.map(readOffer).filter((it) => it !== undefined)
    },

    /** The header that carries a credential. */
    headerOf: ({ challenge }: Offer): string => {
      const name = Challenge.credentialHeader(challenge).toLowerCase()
      return name === 'payment-authorization' ? name : 'authorization'
    },

    /** Proves which wallet asks. Free. */
    async prove({ challenge, chainId }: Offer): Promise<string> {
      clientOf(chainId)
      return charge.createCredential({ challenge: challenge as never, context: {} })
    },

    /** A signed transfer. It is not sent: the server does that. */
    async charge(offer: Offer): Promise<string> {
      await assertDollars(offer)
      await assertFunds(offer, offer.priceMicroUsd)
      return onChain(() =>
        charge.createCredential({ challenge: offer.challenge as never, context: {} }),
      )
    },

    /** How much of a deposit the wallet can afford. Throws when it is less than the price. */
    async affordable(offer: Offer, depositMicroUsd: bigint): Promise<bigint> {
      const [balance] = await Promise.all([
        assertFunds(offer, offer.priceMicroUsd),
        assertDollars(offer),
      ])
      const most = balance - (offer.feePayer ? 0n : gasReserveMicroUsd)
      if (depositMicroUsd <= most) return depositMicroUsd
      return most > offer.priceMicroUsd ? most : offer.priceMicroUsd
    },

    /** A signed transaction that opens a channel, and its first voucher, for the price. Not sent. */
    async open(offer: Offer, deposit: bigint): Promise<{ credential: string; channel: Channel }> {
      const credential = await sessionCredential(offer, { depositRaw: String(deposit) })
      const { payload } = Credential.deserialize<{ channelId: Hex; descriptor: Descriptor }>(
        credential,
      )
      return {
        credential,
        channel: {
          id: payload.channelId,
          descriptor: payload.descriptor,
          chainId: offer.chainId,
          escrow: offer.escrow,
          depositMicroUsd: deposit,
          signedMicroUsd: offer.priceMicroUsd,
          freeMicroUsd: 0n,
          openedAt: new Date().toISOString(),
          confirmed: false,
        },
      }
    },

    /** A voucher for everything that `channel` has signed, the price of the offer with it. */
    voucher: (offer: Offer, channel: Channel): Promise<string> =>
      sessionCredential(offer, {
        action: 'voucher',
        channelId: channel.id,
        descriptor: channel.descriptor,
        cumulativeAmountRaw: String(channel.signedMicroUsd),
      }),

    /** A signed transaction that adds to a deposit; `transaction` is one that was signed before. Not sent. */
    async topUp(
      offer: Offer,
      channel: Channel,
      depositMicroUsd: bigint,
      transaction?: Hex,
    ): Promise<{ credential: string; transaction: Hex }> {
      if (!transaction) await assertFunds(offer, depositMicroUsd)
      const credential = await sessionCredential(offer, {
        action: 'topUp',
        channelId: channel.id,
        descriptor: channel.descriptor,
        additionalDepositRaw: String(depositMicroUsd),
        ...(transaction && { transaction }),
      })
      const { payload } = Credential.deserialize<{ transaction: Hex }>(credential)
      return { credential, transaction: payload.transaction }
    },

    stateOf,

    /**
     * The channel that a server remembers, from the headers of its answer. Believed is only what this wallet signed and
     * what the chain says.
     */
    async remembered(offer: Offer, headers: Headers): Promise<Channel | undefined> {
      const header = headers.get('payment-session-snapshot')
      if (!header) return undefined
      try {
        const snapshot = Session.deserializeSnapshot(header)
        if (!isOurs(snapshot, offer)) return undefined
        const channel = {
          id: snapshot.channelId,
          descriptor: snapshot.descriptor as Descriptor,
          chainId: offer.chainId,
          escrow: offer.escrow,
        }
        const { deposit, usable } = await stateOf(channel)
        const signed = BigInt(snapshot.acceptedCumulative)
        if (!usable || deposit < signed) return undefined
        return {
          ...channel,
          depositMicroUsd: deposit,
          signedMicroUsd: signed,
          freeMicroUsd: 0n,
          openedAt: new Date().toISOString(),
          confirmed: true,
        }
      } catch {
        return undefined
      }
    },
  }

  /** What the chain holds for a channel: nothing for one that was never opened, or is closed. */
  async function stateOf({
    id,
    chainId,
    escrow,
  }: Pick<Channel, 'id' | 'chainId' | 'escrow'>): Promise<{ deposit: bigint; usable: boolean }> {
    const { deposit, closeRequestedAt } = await onChain(() =>
      Precompile.Chain.getChannelState(clientOf(chainId), id, escrow),
    )
    return { deposit, usable: deposit > 0n && closeRequestedAt === 0 }
  }

  function isOurs(snapshot: Session.Client.SessionSnapshot, offer: Offer): boolean {
    const { descriptor, highestVoucher } = snapshot
    const { escrow, chainId } = offer
    const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase()
    return (
      highestVoucher !== undefined &&
      highestVoucher.cumulativeAmount === snapshot.acceptedCumulative &&
      same(highestVoucher.channelId, snapshot.channelId) &&
      same(Precompile.Channel.computeId({ ...descriptor, chainId, escrow }), snapshot.channelId) &&
      same(descriptor.payer, account.address) &&
      same(descriptor.payee, offer.recipient) &&
      same(descriptor.token, offer.token) &&
      same(Precompile.Channel.resolveAuthorizedSigner(descriptor), account.address) &&
      Precompile.Voucher.verifyVoucher(
        escrow,
        chainId,
        {
          channelId: highestVoucher.channelId,
          cumulativeAmount: BigInt(highestVoucher.cumulativeAmount),
          signature: highestVoucher.signature,
        },
        account.address,
      )
    )
  }

  /** Limits are in dollars: a token that counts in something else is not paid with. */
  async function assertDollars({ chainId, token }: Offer): Promise<void> {
    const key = `${chainId} ${token.toLowerCase()}`
    if (dollars.has(key)) return
    const { currency, decimals } = await onChain(() =>
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
    const balance = await onChain(() =>
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

  async function onChain<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (cause) {
      if (cause instanceof JackError) throw cause
      throw new JackError('payment_required', `The payment could not be made: ${sentence(cause)}`, {
        hint: `Is ${rpcUrl ?? "the chain's public node"} the node of the right chain? Set \`rpcUrl\` or JACK_RPC_URL. Nothing was paid.`,
        cause,
      })
    }
  }
}

/** What a transaction may cost in fees, kept back from a deposit that would take everything. */
const gasReserveMicroUsd = 50_000n

function accountOf(given: WalletAccount): Account & LocalAccount {
  if (!('privateKey' in given)) return given as LocalAccount
  try {
    return privateKeyToAccount(given.privateKey)
  } catch {
    // Its message may quote the key.
    throw new JackError('usage', 'The private key is not one: 0x and 64 hexadecimal digits.')
  }
}

const sentence = (error: unknown): string =>
  error instanceof Error
    ? (((error as { shortMessage?: string }).shortMessage ?? error.message).split(
        '\n',
      )[0] as string)
    : String(error)
