import { toUsd } from '@jackcloud/sdk/wire'
import { JackError, type Next } from '../Errors.ts'
import { SessionRefused } from '../store/sessions.ts'

/**
 * What is wrong with a payment, as a problem of the HTTP Payment scheme (draft-ryan-httpauth-payment). All but the last
 * are 402 and can be paid anew; a session that is gone is 410, and a client opens another one.
 */
const problems = {
  'payment-required': 'payment_required',
  'malformed-credential': 'payment_required',
  'invalid-challenge': 'payment_required',
  'payment-expired': 'payment_required',
  'verification-failed': 'payment_required',
  'method-unsupported': 'payment_required',
  'session/insufficient-balance': 'insufficient_balance',
  'session/invalid-signature': 'payment_required',
  'session/amount-exceeds-deposit': 'payment_required',
  'session/channel-not-found': 'gone',
  'session/channel-finalized': 'gone',
} as const

export type PaymentProblemName = keyof typeof problems

export function paymentProblem(
  name: PaymentProblemName,
  detail: string,
  options: { hint?: string; next?: Next[]; cause?: unknown } = {},
): JackError {
  return new JackError(problems[name], detail, { ...options, type: `${base}${name}` })
}

const base = 'https://paymentauth.org/problems/'

/** Whether it is the payment that failed: then nothing was done or paid, and another payment may succeed. */
export const isPaymentProblem = (error: JackError): boolean => error.type.startsWith(base)

/** Whether an answer to this error may ask for a payment: nothing was paid, and paying helps. */
export const isPayable = (error: JackError): boolean =>
  error.status === 402 && isPaymentProblem(error)

/** Why a session does not pay, in the words of the protocol. Anything else is answered as it came. */
export function sessionProblem(error: unknown): unknown {
  if (!(error instanceof SessionRefused)) return error
  switch (error.refusal) {
    case 'unknown':
      return paymentProblem('session/channel-not-found', 'There is no session of this channel.', {
        hint: 'Open another one.',
      })
    case 'closed':
      return paymentProblem('session/channel-finalized', 'This session is closed.', {
        hint: 'Open another one: what was left of this one goes back to its payer.',
      })
    case 'over_deposit':
      return paymentProblem(
        'session/amount-exceeds-deposit',
        `The voucher is larger than the deposit of $${toUsd(error.session?.depositMicroUsd ?? 0n)}.`,
        { hint: 'Deposit more, then send it again.' },
      )
    case 'used':
      return paymentProblem('invalid-challenge', 'This challenge was answered before.', {
        hint: 'Each challenge pays for one request: answer the new one.',
      })
    case 'insufficient': {
      const { authorizedMicroUsd = 0n, committedMicroUsd = 0n } = error.session ?? {}
      return paymentProblem(
        'session/insufficient-balance',
        `The voucher leaves $${toUsd(authorizedMicroUsd - committedMicroUsd)} to spend, which is not enough.`,
        { hint: 'Sign a voucher for what was authorized before and the price.' },
      )
    }
  }
}
