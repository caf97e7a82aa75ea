import { Challenge } from 'mppx'
import type { Hex } from '../../Session.ts'
import type { Offer } from '../Payments.ts'
import type { PaymentsConfig } from './config.ts'

/** How long a challenge can be answered. */
const challengeMs = 300_000

/** The challenges of an offer as `WWW-Authenticate` values (draft-ryan-httpauth-payment, section 5), a session first. */
export function challengesOf(config: PaymentsConfig, offer: Offer, now: Date): string[] {
  const challenge = (intent: 'session' | 'charge', request: Record<string, unknown>) =>
    Challenge.serialize(
      Challenge.from({
        method: 'tempo',
        intent,
        realm: offer.realm,
        request,
        meta: { scope: offer.scope },
        expires: new Date(now.getTime() + challengeMs).toISOString(),
        secretKey: config.secrets[0],
        ...(offer.bodySha256 !== undefined && { digest: `sha-256=${offer.bodySha256}` }),
      }),
    )
  return [
    ...(offer.sessionMicroUsd === undefined
      ? []
      : [challenge('session', sessionRequest(config, offer.sessionMicroUsd))]),
    ...(offer.chargeMicroUsd === undefined
      ? []
      : [challenge('charge', chargeRequest(config, offer.chargeMicroUsd))]),
  ]
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
