import { type ErrorCode, errorCodes } from '@jackcloud/sdk/wire'

/** A command to type next, and the case in which it helps. */
export interface Next {
  command: string
  when: string
}

export interface ErrorOptions {
  /** What the caller can do about it, in one sentence. */
  hint?: string
  next?: Next[]
  /** More fields for the answer: `limits`, `errors`, `logs` ... */
  fields?: Record<string, unknown>
  /** A problem type (RFC 9457) of somebody else's vocabulary; ours is made of the code. */
  type?: string
  /** Seconds until another try makes sense; sent as `Retry-After`. */
  retryAfterSeconds?: number
  cause?: unknown
}

/**
 * The one error that crosses rooms: a code of `wire/codes.ts`, a sentence, and the next step.
 * Anything else that is thrown becomes `internal`, and its text stays inside.
 */
export class JackError extends Error {
  override readonly name = 'JackError'
  readonly hint: string | undefined
  readonly next: Next[] | undefined
  readonly fields: Record<string, unknown>
  readonly type: string
  readonly retryAfterSeconds: number | undefined

  readonly code: ErrorCode

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(detail, { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.next = options.next
    this.fields = options.fields ?? {}
    this.type = options.type ?? `urn:jack:problem:${code}`
    this.retryAfterSeconds = options.retryAfterSeconds
  }

  get status(): number {
    return errorCodes[this.code].status
  }
}
