import { Credential } from 'mppx'
import { Session as MppSession } from 'mppx/tempo'
import { Hash } from 'ox'
import { z } from 'zod'
import type { ChannelDescriptor, Hex, Opening, Session } from '../../Session.ts'
import type { Presented } from '../Payments.ts'
import { paymentProblem } from '../problems.ts'
import { proofSignedBy, voucherSignedBy } from '../signature.ts'
import { type KnownChallenge, knownChallenge } from './challenges.ts'
import type { PaymentsConfig } from './config.ts'
import { senderOf } from './sender.ts'

const { Chain, Channel } = MppSession.Precompile

const lower = (it: string) => it.toLowerCase() as Hex
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .transform(lower)
const hash = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/)
  .transform(lower)
const bytes = z
  .string()
  .regex(/^0x(?:[0-9a-fA-F]{2})+$/)
  .max(20_000) as z.ZodType<Hex>
/** Nobody has nine billion dollars in a channel; and what the database holds is a signed 64-bit number. */
const amount = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(BigInt)

const descriptor = z.object({
  payer: address,
  payee: address,
  operator: address,
  token: address,
  salt: hash,
  authorizedSigner: address,
  expiringNonceHash: hash,
}) satisfies z.ZodType<ChannelDescriptor>

const SessionPayload = z.discriminatedUnion('action', [
  z.object({
    action: z.literal('open'),
    type: z.literal('transaction'),
    channelId: hash,
    descriptor,
    transaction: bytes,
    cumulativeAmount: amount,
    signature: bytes,
  }),
  z.object({
    action: z.literal('topUp'),
    type: z.literal('transaction'),
    channelId: hash,
    descriptor,
    transaction: bytes,
    additionalDeposit: amount.refine((it) => it > 0n),
  }),
  z.object({
    action: z.enum(['voucher', 'close']),
    channelId: hash,
    descriptor: descriptor.optional(),
    cumulativeAmount: amount,
    signature: bytes,
  }),
])

const ChargePayload = z.discriminatedUnion('type', [
  z.object({ type: z.literal('proof'), signature: bytes }),
  z.object({ type: z.literal('transaction'), signature: bytes }),
  z.object({ type: z.literal('hash'), hash }),
])

export interface CredentialReader {
  config: PaymentsConfig
  now(): Date
  /** The session of a channel. What never changes of it may be remembered. */
  sessionOf(channelId: Hex): Promise<Session | undefined>
}

/** Reads the credential of an `Authorization: Payment` header: see `Payments.read`. */
export async function readCredential(it: CredentialReader, header: string): Promise<Presented> {
  const { challenge, payload, source } = parse(it.config, header)
  if (!challenge) {
    throw paymentProblem(
      'invalid-challenge',
      'The credential answers a challenge that was not made here.',
    )
  }
  if (challenge.expiresAt <= it.now()) {
    throw paymentProblem('payment-expired', 'The challenge has expired; here is a new one.', {
      hint: 'Answer a challenge within five minutes, with a clock that is right.',
    })
  }
  const answered = {
    challengeId: challenge.id,
    expiresAt: challenge.expiresAt,
    scope: challenge.scope,
    bodySha256: challenge.bodySha256,
    amountMicroUsd: challenge.amountMicroUsd,
    credential: header,
  }
  if (challenge.intent === 'charge')
    return readCharge(it, challenge, checked(ChargePayload, payload), source, answered)
  const session = checked(SessionPayload, payload)
  if (session.action === 'open') return { ...answered, ...readOpen(it, challenge, session) }

  const known = await it.sessionOf(session.channelId)
  if (!known || known.status === 'opening') {
    throw paymentProblem('session/channel-not-found', 'There is no session of this channel.', {
      hint: 'Open another one: leave the channel out, and answer the challenge of the next request.',
    })
  }
  if (session.descriptor && !sameChannel(session.descriptor, known.descriptor))
    throw paymentProblem('verification-failed', 'The descriptor is not the one of the channel.')
  if (session.action === 'topUp') {
    if (senderOf(session.transaction) !== known.payer)
      throw paymentProblem('verification-failed', 'The deposit is not signed by the payer.')
    return {
      ...answered,
      kind: 'top-up',
      session: known,
      additionalMicroUsd: session.additionalDeposit,
      transaction: session.transaction,
    }
  }
  const voucher = {
    channelId: session.channelId,
    challengeId: challenge.id,
    cumulativeMicroUsd: session.cumulativeAmount,
    signature: lower(session.signature),
  }
  requireSigned(known, voucher.cumulativeMicroUsd, session.signature)
  return { ...answered, kind: session.action, voucher, session: known }
}

/** `challenge` is null when it is none of ours. */
function parse(config: PaymentsConfig, header: string) {
  try {
    const { challenge, payload, source } = Credential.deserialize(header)
    return { challenge: knownChallenge(config, challenge), payload, source }
  } catch (cause) {
    throw paymentProblem('malformed-credential', 'The credential can not be read.', {
      hint: 'Send "Authorization: Payment <credential>", in base64url, as a client of the protocol makes it.',
      cause,
    })
  }
}

/** See `Payments.isOurs`. */
export function isOurs(config: PaymentsConfig, header: string): boolean {
  try {
    return parse(config, header).challenge !== null
  } catch {
    return false
  }
}

function checked<T extends z.ZodType>(schema: T, payload: unknown): z.output<T> {
  const parsed = schema.safeParse(payload)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw paymentProblem(
    'malformed-credential',
    `The credential's ${issue?.path.join('.') || 'payload'} is not valid.`,
  )
}

type Answered = Pick<
  Presented,
  'challengeId' | 'expiresAt' | 'scope' | 'bodySha256' | 'amountMicroUsd' | 'credential'
>

function readCharge(
  { config }: CredentialReader,
  challenge: KnownChallenge,
  payload: z.output<typeof ChargePayload>,
  source: string | undefined,
  answered: Answered,
): Presented {
  if (challenge.amountMicroUsd === 0n) {
    const payer = addressOfSource(config, source)
    const proof = payer && {
      account: payer,
      challengeId: challenge.id,
      realm: challenge.realm,
      chainId: config.chainId,
    }
    if (payload.type !== 'proof' || !proof || !proofSignedBy(proof, payload.signature))
      throw paymentProblem(
        'verification-failed',
        'The proof is not signed by the wallet that it names.',
      )
    return { ...answered, kind: 'proof', payer: proof.account }
  }
  if (payload.type !== 'transaction') {
    throw paymentProblem(
      'verification-failed',
      'A charge is paid with a signed transaction that is sent here.',
      {
        hint: 'Do not send the transaction to the chain yourself ("push"): sign it and present it ("pull").',
      },
    )
  }
  const payer = senderOf(payload.signature)
  if (!payer)
    throw paymentProblem(
      'verification-failed',
      'The transaction is not signed by the wallet that it is of.',
    )
  return { ...answered, kind: 'charge', payer, txHash: Hash.keccak256(payload.signature) }
}

/** Of "did:pkh:eip155:<chain>:<address>". It is a claim until a signature proves it. */
function addressOfSource(config: PaymentsConfig, source: string | undefined): Hex | null {
  const match = /^did:pkh:eip155:(\d{1,15}):(0x[0-9a-fA-F]{40})$/.exec(source ?? '')
  return match && Number(match[1]) === config.chainId ? lower(match[2] as string) : null
}

function readOpen(
  { config }: CredentialReader,
  challenge: KnownChallenge,
  it: Extract<z.output<typeof SessionPayload>, { action: 'open' }>,
): { kind: 'open'; voucher: Extract<Presented, { kind: 'open' }>['voucher']; opening: Opening } {
  const { channelId } = it
  const { chainId, escrow } = config
  if (Channel.computeId({ ...it.descriptor, chainId, escrow }).toLowerCase() !== channelId)
    throw paymentProblem('verification-failed', 'The channel id is not the one of the descriptor.')
  if (it.descriptor.payee !== config.payee || it.descriptor.token !== config.token)
    throw paymentProblem(
      'verification-failed',
      'The channel pays somebody else, or with another token.',
    )
  if (senderOf(it.transaction) !== it.descriptor.payer)
    throw paymentProblem(
      'verification-failed',
      'The opening transaction is not signed by the payer.',
    )
  const { openDeposit } = opened(config, it)
  if (openDeposit > maxDepositMicroUsd)
    throw paymentProblem('verification-failed', 'The deposit is larger than a session may have.')
  if (it.cumulativeAmount > openDeposit)
    throw paymentProblem(
      'session/amount-exceeds-deposit',
      'The voucher is larger than the deposit.',
    )
  if (it.cumulativeAmount < challenge.amountMicroUsd)
    throw paymentProblem('verification-failed', 'The voucher is smaller than what was asked for.')
  const opening: Opening = {
    channelId,
    chainId,
    escrow,
    payer: it.descriptor.payer,
    signer:
      BigInt(it.descriptor.authorizedSigner) === 0n
        ? it.descriptor.payer
        : it.descriptor.authorizedSigner,
    descriptor: it.descriptor,
    depositMicroUsd: openDeposit,
    transaction: it.transaction,
  }
  requireSigned(opening, it.cumulativeAmount, it.signature)
  const voucher = {
    channelId,
    challengeId: challenge.id,
    cumulativeMicroUsd: it.cumulativeAmount,
    signature: lower(it.signature),
  }
  return { kind: 'open', voucher, opening }
}

/** A million dollars. */
const maxDepositMicroUsd = 1_000_000_000_000n

function opened(
  config: PaymentsConfig,
  it: { channelId: Hex; transaction: Hex; descriptor: ChannelDescriptor },
) {
  try {
    return Chain.validateOpenCredentialTransaction({
      chainId: config.chainId,
      escrowContract: config.escrow,
      expectedAuthorizedSigner: it.descriptor.authorizedSigner,
      expectedChannelId: it.channelId,
      expectedCurrency: config.token,
      expectedOperator: config.operator.address,
      expectedPayee: config.payee,
      expectedPayer: it.descriptor.payer,
      expectedExpiringNonceHash: it.descriptor.expiringNonceHash,
      serializedTransaction: it.transaction,
      ...(config.feePayer && { feePayer: config.feePayer }),
    })
  } catch (cause) {
    throw paymentProblem(
      'verification-failed',
      'The opening transaction is not what the channel is about.',
      {
        cause,
      },
    )
  }
}

function requireSigned(
  channel: Pick<Session, 'channelId' | 'chainId' | 'escrow' | 'signer'>,
  cumulativeMicroUsd: bigint,
  signature: Hex,
): void {
  const { channelId, chainId, escrow, signer } = channel
  if (!voucherSignedBy({ channelId, cumulativeMicroUsd, chainId, escrow }, signature, signer))
    throw paymentProblem(
      'session/invalid-signature',
      'The voucher is not signed by the payer of the channel.',
    )
}

const sameChannel = (a: ChannelDescriptor, b: ChannelDescriptor): boolean =>
  (Object.keys(a) as (keyof ChannelDescriptor)[]).every((key) => a[key] === b[key])
