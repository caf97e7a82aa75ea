import { Challenge, Credential } from 'mppx'
import { tempo } from 'mppx/client'
import { Session } from 'mppx/tempo'
import type { Account, LocalAccount } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { JackError } from '../JackError.ts'
import type { Channel, Descriptor, Hex } from './Channel.ts'
import { type ChainOptions, createChain } from './chain.ts'
import { isFor, type Offer, readOffer } from './Offer.ts'

/** What pays: an account of viem that signs in this process, or a private key. */
export type WalletAccount = LocalAccount | { privateKey: Hex }

export interface SignerOptions extends ChainOptions {
  account: WalletAccount
}

export type Signer = ReturnType<typeof createSigner>

const { Precompile } = Session

/**
 * Everything that needs the key or the chain: reads what a server asks for, and makes the credentials that answer it.
 * It decides nothing, keeps nothing and sends nothing but questions to the chain.
 */
export function createSigner(options: SignerOptions) {
  const account = accountOf(options.account)
  const chain = createChain(account, options)
  const getClient = ({ chainId }: { chainId?: number | undefined }) =>
    chain.clientOf(chainId as number)
  const charge = tempo.charge({ account, getClient, mode: 'pull' })
  // It keeps nothing: which channel is used, and for how much, is said each time.
  const session = tempo.session({
    account,
    getClient,
    channelStore: { get: () => undefined, set() {}, delete() {} },
  })

  /** A credential of a session that answers `offer`. */
  async function sessionCredential(
    { challenge }: Offer,
    context: Parameters<typeof session.createCredential>[0]['context'],
  ): Promise<string> {
    // What the server remembers of us is looked at elsewhere; here it would replace what is to be signed.
    const { sessionSnapshot: _, ...methodDetails } = challenge.request.methodDetails as object & {
      sessionSnapshot?: unknown
    }
    const plain = { ...challenge, request: { ...challenge.request, methodDetails } }
    const made = await chain.ask(() =>
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
      chain.clientOf(chainId)
      return charge.createCredential({ challenge: challenge as never, context: {} })
    },

    /** A signed transfer. It is not sent: the server does that. */
    async charge(offer: Offer): Promise<string> {
      await chain.assertDollars(offer)
      await chain.assertFunds(offer, offer.priceMicroUsd)
      return chain.ask(() =>
        charge.createCredential({ challenge: offer.challenge as never, context: {} }),
      )
    },

    /** How much of a deposit the wallet can afford. Throws when that is less than the least that is needed. */
    async affordable(offer: Offer, deposit: bigint, least: bigint): Promise<bigint> {
      const [balance] = await Promise.all([
        chain.assertFunds(offer, least),
        chain.assertDollars(offer),
      ])
      const most = balance - (offer.feePayer ? 0n : gasReserveMicroUsd)
      if (deposit <= most) return deposit
      return most > least ? most : least
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

    stateOf: chain.stateOf,

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
        const { deposit, usable } = await chain.stateOf(channel)
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
