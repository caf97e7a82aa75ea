import { JackError } from '../../Errors.ts'
import { ChargeFailed } from '../Payments.ts'
import { paymentProblem } from '../problems.ts'

/** What the chain, or the library before it, says no to. Its words help the payer: a balance, a nonce, a time. */
export function refused(cause: unknown, sentence: string): JackError {
  const words = wordsOf(cause)
  return paymentProblem('verification-failed', words ? `${sentence}: ${words}` : `${sentence}.`, {
    hint: 'See whether the wallet has enough of the token, and whether its clock is right.',
    cause: withoutData(cause),
  })
}

/** What an error of the chain or its library says, in a line. Of what is no answer of a node, not even the text is told. */
export function wordsOf(error: unknown): string {
  const { shortMessage, details, message } = error as {
    shortMessage?: string
    details?: string
    message?: string
  }
  const said = isUnreachable(error) ? [shortMessage] : [details, shortMessage, message]
  const words = said.find((it) => typeof it === 'string' && it !== '') ?? ''
  return words.split('\n')[0]?.slice(0, 200) ?? ''
}

const isUnreachable = (error: unknown): boolean =>
  isOneOf(error, ['HttpRequestError', 'TimeoutError'])

/** Whether a node is not there, in trouble or busy: nobody knows what it did. */
export const isAway = (error: unknown): boolean =>
  isUnreachable(error) || isOneOf(error, ['InternalRpcError', 'LimitExceededRpcError'])

function isOneOf(error: unknown, names: readonly string[]): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (names.includes(at.name)) return true
  return false
}

/**
 * An error that can be logged: the library's own has the address of the node in it, which may hold its key, and the whole
 * request, with what a payer signed.
 */
export function withoutData(error: unknown): Error {
  const { name, stack } = error as Partial<Error>
  const plain = new Error(`${name ?? 'Error'}: ${wordsOf(error)}`)
  const frames = stack?.split('\n').filter((line) => line.startsWith('    at ')) ?? []
  plain.stack = [String(plain), ...frames].join('\n')
  return plain
}

/** The same functions, whose errors can be logged. */
export function guarded<T extends object>(port: T): T {
  const entries = Object.entries(port).map(([name, it]) => [
    name,
    typeof it === 'function' ? guardedFunction(it as (...args: unknown[]) => unknown) : it,
  ])
  return Object.fromEntries(entries) as T
}

const guardedFunction =
  (work: (...args: unknown[]) => unknown) =>
  (...args: unknown[]) => {
    const result = work(...args)
    return result instanceof Promise ? result.catch(rethrown) : result
  }

function rethrown(error: unknown): never {
  if (error instanceof JackError) throw error
  if (error instanceof ChargeFailed)
    throw new ChargeFailed(error.message, { cause: withoutData(error.cause) })
  if (isAway(error)) throw unreachable(error)
  throw withoutData(error)
}

const unreachable = (cause: unknown): JackError =>
  new JackError('unavailable', 'The chain does not answer.', {
    hint: 'Send the same request again: what was paid is not paid twice.',
    retryAfterSeconds: 2,
    cause: withoutData(cause),
  })
