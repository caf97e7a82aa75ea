import { randomBytes } from 'node:crypto'
import { Challenge, Credential } from 'mppx'
import { Session } from 'mppx/tempo'
import { SignatureEnvelope, TxEnvelopeTempo } from 'ox/tempo'
import { Agent, request } from 'undici'
import { type Account, encodeFunctionData, keccak256, toHex } from 'viem'
import type { PrivateKeyAccount } from 'viem/accounts'
import { prepareTransactionRequest, signTransaction, signTypedData } from 'viem/actions'
import { Abis, Transaction } from 'viem/tempo'
import { RESERVE } from '../payments/localnet/reserve.ts'
import type { Localnet } from '../payments/localnet/startLocalnet.ts'
import { clientOf, openCall, sendCalls, signVoucher } from '../payments/localnet/testing.ts'
import type { ChannelDescriptor, Hex } from '../Session.ts'
import type { Reply, TestCloud } from './cloud.ts'

const { Channel, escrowAbi } = Session.Precompile

/** A channel whose opening was signed. */
export interface HandmadeChannel {
  id: Hex
  descriptor: ChannelDescriptor
  transaction: Hex
}

export interface Challenges {
  session: Challenge.Challenge
  charge: Challenge.Challenge
}

/** Asks a cloud without any client: every header and byte is what the test says. */
export function asker(cloud: Pick<TestCloud, 'port'>) {
  const agent = new Agent({ connections: 512 })

  async function send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply> {
    const it = await request(`http://127.0.0.1:${cloud.port}${path}`, {
      method: method as 'GET',
      dispatcher: agent,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await it.body.text()
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {}
    return { status: it.statusCode, headers: it.headers, text, json }
  }

  return {
    send,
    close: () => agent.close(),

    /** The challenges that a request gets. Of one that costs nothing, `charge` asks for a proof. */
    async ask(
      method: string,
      path: string,
      body?: unknown,
      headers: Record<string, string> = {},
    ): Promise<Challenges> {
      const reply = await send(method, path, body, { 'accept-payment': 'tempo/*', ...headers })
      return challengesOf(reply)
    },

    /** Asks, and asks again with what `answer` makes of the challenges. */
    async pay(
      method: string,
      path: string,
      body: unknown,
      answer: (it: Challenges) => Promise<string>,
      headers: Record<string, string> = {},
    ): Promise<Reply & { credential: string }> {
      const credential = await answer(await this.ask(method, path, body, headers))
      const reply = await send(method, path, body, { ...headers, authorization: credential })
      return { ...reply, credential }
    },
  }
}

export type Asker = ReturnType<typeof asker>

export function challengesOf({ status, headers, text }: Reply): Challenges {
  const header = headers['www-authenticate']
  if (typeof header !== 'string') throw new Error(`No challenge in an answer of ${status}: ${text}`)
  const all = Challenge.deserializeList(header)
  const of = (intent: string) => all.find((it) => it.intent === intent) as Challenge.Challenge
  return { session: of('session'), charge: of('charge') }
}

/** What a wallet signs, piece by piece, and nothing checked: a test says what is wrong with it. */
export function handmade(chain: Localnet, account: PrivateKeyAccount) {
  const client = clientOf(chain, account)
  const address = account.address.toLowerCase() as Hex
  const sourceOf = (it: Hex) => `did:pkh:eip155:${chain.chainId}:${it}`
  const credential = (
    challenge: Challenge.Challenge,
    payload: object,
    source = sourceOf(address),
  ) => Credential.serialize({ challenge, payload, source })

  /** Signs a transaction and does not send it. */
  async function signed(calls: { to: Hex; data: Hex }[], more: object = {}): Promise<Hex> {
    const prepared = await prepareTransactionRequest(client, {
      account,
      calls,
      nonceKey: 'expiring',
      feeToken: chain.token,
      ...more,
    } as never)
    return (await signTransaction(client, prepared as never)) as Hex
  }

  async function channel(
    challenge: Challenge.Challenge,
    it: Partial<ChannelDescriptor> & {
      deposit?: bigint
      feePayer?: true
      /** Does not ask the chain what it costs. */
      blind?: boolean
      disguise?(transaction: Hex): Hex
    } = {},
  ): Promise<HandmadeChannel> {
    const details = challenge.request.methodDetails as { operator: Hex }
    const terms = {
      payee: it.payee ?? (challenge.request.recipient as Hex),
      operator: it.operator ?? details.operator,
      token: it.token ?? (challenge.request.currency as Hex),
      salt: it.salt ?? toHex(randomBytes(32)),
      signer: it.authorizedSigner ?? address,
    }
    const { deposit = 5_000_000n, feePayer, disguise = (it) => it } = it
    const transaction = disguise(
      await signed([openCall(chain, { ...terms, deposit })], {
        ...(feePayer && { feePayer }),
        ...(it.blind && { gas: 1_000_000n }),
      }),
    )
    const { signer: authorizedSigner, ...rest } = terms
    const unfinished = { ...rest, authorizedSigner, payer: it.payer ?? address }
    return { transaction, ...named(chain, transaction, unfinished) }
  }

  const voucher = (channelId: Hex, cumulative: bigint, signer: Account = account) =>
    signVoucher(chain, signer, channelId, cumulative)

  return {
    account,
    address,
    client,
    credential,
    signed,
    channel,
    voucher,

    async open(
      challenge: Challenge.Challenge,
      it: HandmadeChannel,
      cumulative = BigInt(challenge.request.amount as string),
    ): Promise<string> {
      return credential(challenge, {
        action: 'open',
        type: 'transaction',
        channelId: it.id,
        descriptor: it.descriptor,
        transaction: it.transaction,
        cumulativeAmount: cumulative.toString(),
        signature: await voucher(it.id, cumulative),
      })
    },

    async promise(
      challenge: Challenge.Challenge,
      it: Pick<HandmadeChannel, 'id'>,
      cumulative: bigint,
      action: 'voucher' | 'close' = 'voucher',
    ): Promise<string> {
      return credential(challenge, {
        action,
        channelId: it.id,
        cumulativeAmount: cumulative.toString(),
        signature: await voucher(it.id, cumulative),
      })
    },

    async charge(
      challenge: Challenge.Challenge,
      it: {
        amount?: bigint
        memo?: Hex
        token?: Hex
        to?: Hex
        more?: object
        source?: Hex
        disguise?(transaction: Hex): Hex
      } = {},
    ): Promise<string> {
      const { request } = challenge
      const transaction = await signed(
        [
          transferCall({
            token: it.token ?? (request.currency as Hex),
            to: it.to ?? (request.recipient as Hex),
            amount: it.amount ?? BigInt(request.amount as string),
            memo: it.memo ?? memoOf(challenge),
          }),
        ],
        it.more,
      )
      const signature = it.disguise?.(transaction) ?? transaction
      const source = it.source && sourceOf(it.source)
      return credential(challenge, { type: 'transaction', signature }, source)
    },

    async prove(challenge: Challenge.Challenge, as: Hex = address): Promise<string> {
      const signature = await signTypedData(client, {
        account,
        domain: { name: 'MPP', version: '3', chainId: chain.chainId },
        types: {
          Proof: [
            { name: 'account', type: 'address' },
            { name: 'challengeId', type: 'string' },
            { name: 'realm', type: 'string' },
          ],
        },
        primaryType: 'Proof',
        message: { account: as, challengeId: challenge.id, realm: challenge.realm },
      })
      return credential(challenge, { type: 'proof', signature }, sourceOf(as))
    },
  }
}

export type Handmade = ReturnType<typeof handmade>

/** The name of the channel that a transaction opens. */
export function named(
  chain: Localnet,
  transaction: Hex,
  unfinished: Omit<ChannelDescriptor, 'expiringNonceHash'>,
): Pick<HandmadeChannel, 'id' | 'descriptor'> {
  const parsed = Transaction.deserialize(transaction as never)
  const expiringNonceHash = Channel.computeExpiringNonceHash(
    Channel.transactionForExpiringNonceHash({ transaction: parsed as never }),
    { sender: unfinished.payer },
  )
  const descriptor = lowerCase({ ...unfinished, expiringNonceHash })
  const id = Channel.computeId({ ...descriptor, chainId: chain.chainId, escrow: RESERVE })
  return { id: id.toLowerCase() as Hex, descriptor }
}

const lowerCase = (it: ChannelDescriptor): ChannelDescriptor =>
  Object.fromEntries(
    Object.entries(it).map(([key, value]) => [key, value.toLowerCase()]),
  ) as unknown as ChannelDescriptor

export const transferCall = (it: {
  token: Hex
  to: Hex
  amount: bigint
  memo?: Hex
}): { to: Hex; data: Hex } => ({
  to: it.token,
  data: it.memo
    ? encodeFunctionData({
        abi: Abis.tip20,
        functionName: 'transferWithMemo',
        args: [it.to, it.amount, it.memo],
      })
    : encodeFunctionData({ abi: Abis.tip20, functionName: 'transfer', args: [it.to, it.amount] }),
})

/** What binds a transfer to a challenge: who is paid, and for what. */
export function memoOf({ realm, id }: Pick<Challenge.Challenge, 'realm' | 'id'>): Hex {
  const hash = (text: string) => keccak256(toHex(text)).slice(2)
  return `0x${hash('mpp').slice(0, 8)}01${hash(realm).slice(0, 20)}${'0'.repeat(20)}${hash(id).slice(0, 14)}`
}

/** A transaction as if somebody else had signed it, in each way that has room for his name. */
export const disguises: Record<string, (victim: Hex) => (transaction: Hex) => Hex> = {
  'not signed': () => (it) => {
    const { signature: _, ...rest } = parsed(it)
    return TxEnvelopeTempo.serialize(TxEnvelopeTempo.from(rest as never)) as Hex
  },
  'as one that waits for a sponsor': (victim) => (it) =>
    TxEnvelopeTempo.serialize(parsed(it), { format: 'feePayer', sender: victim } as never) as Hex,
  'by a key that acts for a wallet': (victim) => (it) => keychain(it, victim, 'v1'),
  'by such a key, in its second version': (victim) => (it) => keychain(it, victim, 'v2'),
}

function keychain(transaction: Hex, userAddress: Hex, version: 'v1' | 'v2'): Hex {
  const { signature, ...rest } = parsed(transaction)
  return TxEnvelopeTempo.serialize(TxEnvelopeTempo.from(rest as never), {
    signature: SignatureEnvelope.from({
      type: 'keychain',
      inner: signature,
      userAddress,
      version,
    } as never),
  }) as Hex
}

const parsed = (it: Hex) => TxEnvelopeTempo.deserialize(it as TxEnvelopeTempo.Serialized)

/** The challenge that a credential answers, and what it says. */
export const opened = (credential: string) => Credential.deserialize(credential)

/** Asks the chain for the money of a channel, as its payer may at any time. */
export const requestClose = (
  chain: Localnet,
  { account }: Pick<Handmade, 'account'>,
  { descriptor }: Pick<HandmadeChannel, 'descriptor'>,
) =>
  sendCalls(chain, account, [
    {
      to: RESERVE,
      data: encodeFunctionData({
        abi: escrowAbi,
        functionName: 'requestClose',
        args: [descriptor],
      }),
    },
  ])
