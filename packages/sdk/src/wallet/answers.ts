import type { Outcome } from '../fetch.ts'
import { fromUsd } from '../wire/Usd.ts'

/** What a server said it took, in micro-USD; undefined when it did not say. */
export function chargedBy({ value, error }: Outcome): bigint | undefined {
  const fields = error?.fields ?? (value as { charged_usd?: unknown } | null | undefined)
  const charged = fields?.charged_usd
  try {
    return typeof charged === 'string' ? fromUsd(charged) : undefined
  } catch {
    return undefined
  }
}

/** The `Payment-Receipt` of an answer. */
export function receiptOf(
  response: Response | undefined,
): { challengeId?: string; transaction?: string } | undefined {
  const header = response?.headers.get('payment-receipt')
  if (!header) return undefined
  try {
    const base64 = header.replaceAll('-', '+').replaceAll('_', '/')
    const { challengeId, txHash, intent, reference } = JSON.parse(atob(base64))
    // A charge has its transaction as its reference, a session its channel.
    const transaction = txHash ?? (intent === 'session' ? undefined : reference)
    return {
      ...(typeof challengeId === 'string' && { challengeId }),
      ...(typeof transaction === 'string' && { transaction }),
    }
  } catch {
    return {}
  }
}

/** Whether it was the server itself that failed the request, and not something on the way to it. */
export const isProblem = ({ error, response }: Outcome): boolean =>
  error !== undefined &&
  response?.headers.get('content-type')?.startsWith('application/problem+json') === true

/** Whether the server closed the session that was to pay, or knows nothing of it. */
export const isSessionGone = (outcome: Outcome): boolean =>
  outcome.response?.status === 410 &&
  /\/session\/channel-(finalized|not-found)$/.test(typeOf(outcome))

/** Whether the server finds that the voucher does not cover the price. */
export const isInsufficient = (outcome: Outcome): boolean =>
  typeOf(outcome).endsWith('/session/insufficient-balance')

const typeOf = ({ error }: Outcome): string => String(error?.fields.type ?? '')
