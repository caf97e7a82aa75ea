import { randomUUID } from 'node:crypto'
import { Challenge } from 'mppx'
import type { Hex } from '../../Session.ts'
import type { Offer, Price, PriceTag } from '../Payments.ts'
import { preferred } from './acceptPayment.ts'
import type { PaymentsConfig } from './config.ts'

/** How long a challenge can be answered. */
const challengeMs = 300_000

/** The challenges of an offer as `WWW-Authenticate` values (draft-ryan-httpauth-payment, section 5), a session first. */
export function challengesOf(config: PaymentsConfig, offer: Offer, now: Date): string[] {
  const { sessionMicroUsd, chargeMicroUsd } = offer
  const ways = [
    ...(sessionMicroUsd === undefined
      ? []
      : [{ intent: 'session', request: sessionRequest(config, sessionMicroUsd) } as const]),
    ...(chargeMicroUsd === undefined
      ? []
      : [{ intent: 'charge', request: chargeRequest(config, chargeMicroUsd) } as const]),
  ].map((it) => ({ ...it, method: 'tempo' }))
  return preferred(ways, offer.accepts).map((way) =>
    Challenge.serialize(
      Challenge.from({
        ...way,
        realm: offer.realm,
        // Two that ask for the same in the same moment get two challenges: each pays once.
        meta: { nonce: randomUUID(), scope: offer.scope },
        expires: new Date(now.getTime() + challengeMs).toISOString(),
        secretKey: config.secrets[0],
        ...(offer.bodySha256 !== undefined && { digest: `sha-256=${offer.bodySha256}` }),
      }),
    ),
  )
}

/** How an operation is paid for, for its description: what its challenges will ask. Only they count. */
export function priceTagsOf(config: PaymentsConfig, price: Price | null): PriceTag[] {
  const tag = (intent: ChallengeIntent, microUsd: bigint | undefined): PriceTag => {
    const request = (intent === 'session' ? sessionRequest : chargeRequest)(config, microUsd ?? 0n)
    const { methodDetails: _, amount: __, ...rest } = request
    return { ...rest, method: 'tempo', intent, amount: microUsd?.toString() ?? null }
  }
  return [tag('session', price?.sessionMicroUsd), tag('charge', price?.chargeMicroUsd)]
}

/** The `request` of a session challenge (draft-tempo-session). Amounts are in the token's units: micro-USD. */
function sessionRequest(config: PaymentsConfig, microUsd: bigint): Record<string, unknown> {
  const deposit = config.suggestedDepositMicroUsd
  return {
    amount: microUsd.toString(),
    currency: config.token,
    recipient: config.payee,
    suggestedDeposit: (microUsd > deposit ? microUsd : deposit).toString(),
    unitType: 'request',
    methodDetails: {
      chainId: config.chainId,
      escrowContract: config.escrow,
      operator: config.operator.address,
      sessionProtocol: 'v2',
      ...(config.feePayer && { feePayer: true }),
    },
  }
}

/** The `request` of a charge challenge (draft-tempo-charge). Zero asks for a proof of identity. */
function chargeRequest(config: PaymentsConfig, microUsd: bigint): Record<string, unknown> {
  return {
    amount: microUsd.toString(),
    currency: config.token,
    recipient: config.payee,
    methodDetails: {
      chainId: config.chainId,
      ...(microUsd > 0n && { supportedModes: ['pull'] }),
      ...(microUsd > 0n && config.feePayer && { feePayer: true }),
    },
  }
}

export type ChallengeIntent = 'session' | 'charge'

export interface KnownChallenge {
  id: string
  realm: string
  intent: ChallengeIntent
  scope: string
  bodySha256: string | null
  amountMicroUsd: bigint
  expiresAt: Date
}

/** What a challenge of ours asks for, when it is one and this configuration still makes its like; else null. */
export function knownChallenge(
  config: PaymentsConfig,
  challenge: Challenge.Challenge,
): KnownChallenge | null {
  if (!config.secrets.some((secretKey) => Challenge.verify(challenge, { secretKey }))) return null
  const { id, realm, method, intent, digest, expires } = challenge
  const scope = Challenge.meta(challenge)?.scope ?? metaOf(challenge)?.scope
  const request = challenge.request as { amount?: string; currency?: Hex; recipient?: Hex }
  const details = challenge.request.methodDetails as { chainId?: number } | undefined
  const ours =
    method === 'tempo' &&
    (intent === 'session' || intent === 'charge') &&
    request.currency === config.token &&
    request.recipient === config.payee &&
    details?.chainId === config.chainId
  if (!ours || scope === undefined || expires === undefined) return null
  return {
    id,
    realm,
    intent,
    scope,
    bodySha256: digest?.startsWith('sha-256=') ? digest.slice('sha-256='.length) : null,
    amountMicroUsd: BigInt(request.amount ?? '0'),
    expiresAt: new Date(expires),
  }
}

function metaOf({ opaque }: { opaque?: string | undefined }): Record<string, string> | undefined {
  if (opaque === undefined) return undefined
  return JSON.parse(Buffer.from(opaque, 'base64url').toString())
}
