import type { Challenge } from 'mppx'
import type { Hex } from './Channel.ts'

/** One way to satisfy a server that answered 402, read from its challenge. Amounts are micro-USD. */
export interface Offer {
  /** `proof`: nothing to pay, only to show which wallet asks. */
  kind: 'proof' | 'session' | 'charge'
  challenge: Challenge.Challenge
  priceMicroUsd: bigint
  chainId: number
  recipient: Hex
  token: Hex
  /** Of sessions. */
  escrow: Hex
  suggestedDepositMicroUsd?: bigint | undefined
  leastStepMicroUsd?: bigint | undefined
  /** The server pays for the gas. */
  feePayer: boolean
}

const canonicalEscrow = '0x4d50500000000000000000000000000000000000'

/** Reads a challenge; undefined when it is of a kind that this wallet does not know, or makes no sense. */
export function readOffer(challenge: Challenge.Challenge): Offer | undefined {
  const { request } = challenge
  const details = isObject(request.methodDetails) ? request.methodDetails : {}
  const price = amount(request.amount)
  const recipient = address(request.recipient)
  const token = address(request.currency)
  const chainId = details.chainId
  if (challenge.method !== 'tempo' || price === undefined || !recipient || !token) return undefined
  if (typeof chainId !== 'number') return undefined
  const common = {
    challenge,
    priceMicroUsd: price,
    chainId,
    recipient,
    token,
    escrow: canonicalEscrow,
  } as const
  const feePayer = details.feePayer === true
  if (challenge.intent === 'charge') {
    return { ...common, kind: price === 0n ? 'proof' : 'charge', feePayer }
  }
  if (challenge.intent !== 'session' || details.sessionProtocol !== 'v2') return undefined
  const escrow = String(details.escrowContract ?? canonicalEscrow).toLowerCase()
  const leastStep = amount(details.minVoucherDelta)
  // A voucher is never signed for more than what is bought.
  if (escrow !== canonicalEscrow || price === 0n || (leastStep ?? 0n) > price) return undefined
  return {
    ...common,
    kind: 'session',
    feePayer,
    suggestedDepositMicroUsd: amount(request.suggestedDeposit),
    leastStepMicroUsd: leastStep,
  }
}

/**
 * Whether a challenge was made by the server that was asked. A server could pass on the challenge of another one, and
 * act there in the name of whoever signs it.
 */
export function isFor(host: string, realm: string): boolean {
  const asked = withoutPort(host)
  const named = withoutPort(realm)
  return asked === named || (isLoopback(asked) && isLoopback(named))
}

const withoutPort = (host: string): string => host.toLowerCase().replace(/(?<!:):\d+$/, '')

const isLoopback = (host: string): boolean =>
  /^(localhost|127\.0\.0\.1|\[::1\]|::1)$/.test(host) || host.endsWith('.localhost')

const isObject = (it: unknown): it is Record<string, unknown> =>
  typeof it === 'object' && it !== null

const address = (it: unknown): Hex | undefined =>
  typeof it === 'string' && /^0x[0-9a-fA-F]{40}$/.test(it) ? (it as Hex) : undefined

/** Raw units of a token with six decimals are micro-USD. */
const amount = (it: unknown): bigint | undefined =>
  typeof it === 'string' && /^\d{1,29}$/.test(it) ? BigInt(it) : undefined
