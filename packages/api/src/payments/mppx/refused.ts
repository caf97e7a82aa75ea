import type { JackError } from '../../Errors.ts'
import { paymentProblem } from '../problems.ts'

/** What the chain, or the library before it, says no to. Its words help the payer: a balance, a nonce, a time. */
export function refused(cause: unknown, sentence: string): JackError {
  const words = wordsOf(cause)
  return paymentProblem('verification-failed', words ? `${sentence}: ${words}` : `${sentence}.`, {
    hint: 'See whether the wallet has enough of the token, and whether its clock is right.',
    cause: withoutData(cause),
  })
}

/** What an error of the chain or its library says, in a line. */
export function wordsOf(error: unknown): string {
  const { shortMessage, details, message } = error as {
    shortMessage?: string
    details?: string
    message?: string
  }
  const said = [details, shortMessage, message].find((it) => typeof it === 'string') ?? ''
  return said.split('\n')[0]?.slice(0, 200) ?? ''
}

/** An error that can be logged: the library's own has the whole request in it, with what a payer signed. */
export const withoutData = (error: unknown): Error =>
  new Error(`${(error as Error)?.name ?? 'Error'}: ${wordsOf(error)}`)
