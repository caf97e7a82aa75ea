import type { ErrorCode } from './wire/codes.ts'
import type { Next, Problem } from './wire/Problem.ts'

/** Failures that the API did not answer: it was not reached, not understood, or not paid because of a limit. */
export type ClientErrorCode = 'network' | 'timeout' | 'bad_answer' | 'usage' | 'spending_limit'

export interface JackErrorOptions {
  /** HTTP status of the answer; 0 when there was none. */
  status?: number | undefined
  /** What to do about it, in one sentence. */
  hint?: string | undefined
  /** Commands to type next, and when each helps. */
  next?: { command: string; when: string }[] | undefined
  requestId?: string | undefined
  /** What the API said beside the usual: `errors`, `logs`, `limits`, `execution_id` ... */
  fields?: Record<string, unknown> | undefined
  cause?: unknown
}

/**
 * Every failure of Jack: a code to switch on, a sentence for people, and the next step.
 *
 * @example
 * try {
 *   await jack.execute({ code: 'export const run = () => { throw new Error("no") }' })
 * } catch (error) {
 *   if (error instanceof JackError && error.code === 'execution_failed') console.log(error.fields.logs)
 * }
 */
export class JackError extends Error {
  override readonly name = 'JackError'
  readonly code: ErrorCode | ClientErrorCode
  readonly status: number
  readonly hint: string | undefined
  readonly next: { command: string; when: string }[]
  readonly requestId: string | undefined
  readonly fields: Record<string, unknown>

  constructor(code: ErrorCode | ClientErrorCode, message: string, options: JackErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status ?? 0
    this.hint = options.hint
    this.next = options.next ?? []
    this.requestId = options.requestId
    this.fields = options.fields ?? {}
  }

  /** The error as data, in the words of the wire. */
  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint !== undefined && { hint: this.hint }),
      ...(this.next.length > 0 && { next: this.next }),
      ...(this.status > 0 && { status: this.status }),
      ...(this.requestId !== undefined && { request_id: this.requestId }),
      ...this.fields,
    }
  }
}

const usual = new Set<string>([
  'title',
  'status',
  'detail',
  'code',
  'hint',
  'next',
  'request_id',
] satisfies (keyof Problem)[])

/** The error that an answer other than 2xx stands for; also for answers that are no problem document. */
export async function errorOf(response: Response, url: string): Promise<JackError> {
  const requestId = response.headers.get('x-request-id') ?? undefined
  const text = await response.text().catch(() => '')
  const problem = parse(text, response.status)
  if (!problem) {
    const elsewhere = response.headers.get('location')
    return new JackError(codeOf(response.status), `${url} answered ${response.status}.`, {
      status: response.status,
      requestId,
      hint: elsewhere ? `It points to ${elsewhere}: use that URL.` : hintFor(response.status),
      ...(text && { fields: { answer: text.slice(0, 500) } }),
    })
  }
  return new JackError(problem.code as ErrorCode, problem.detail, {
    status: response.status,
    hint: typeof problem.hint === 'string' ? problem.hint : undefined,
    next: Array.isArray(problem.next) ? problem.next.filter(isNext) : undefined,
    requestId: typeof problem.request_id === 'string' ? problem.request_id : requestId,
    fields: Object.fromEntries(
      Object.entries(problem).filter(
        // Our own types say nothing that the code does not; those of payments do.
        ([name, value]) =>
          name === 'type' ? String(value).startsWith('https:') : !usual.has(name),
      ),
    ),
  })
}

/** A problem document. One of another standard, without a code of ours, gets the code of its status. */
function parse(
  text: string,
  status: number,
): (Record<string, unknown> & { code: string; detail: string }) | null {
  try {
    const problem = JSON.parse(text)
    if (typeof problem?.detail !== 'string') return null
    if (typeof problem.code === 'string') return problem
    return typeof problem.type === 'string' ? { ...problem, code: codeOf(status) } : null
  } catch {
    return null
  }
}

const isNext = (it: { command?: unknown; when?: unknown }): it is typeof Next._output =>
  typeof it?.command === 'string' && typeof it.when === 'string'

/** A code of the wire for a bare status, so that callers need only one switch. */
function codeOf(status: number): ErrorCode | ClientErrorCode {
  const codes: Record<number, ErrorCode> = {
    400: 'invalid_request',
    401: 'unauthorized',
    402: 'payment_required',
    403: 'forbidden',
    404: 'not_found',
    409: 'conflict',
    410: 'gone',
    413: 'body_too_large',
    429: 'rate_limited',
    500: 'internal',
  }
  return codes[status] ?? (status >= 502 && status <= 504 ? 'unavailable' : 'bad_answer')
}

function hintFor(status: number): string | undefined {
  if (status === 404) return 'Is this the URL of a Jack Cloud?'
  if (status >= 502 && status <= 504) return 'Something between here and Jack is down. Try again.'
  return undefined
}
