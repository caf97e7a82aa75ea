import { errorCodes } from '@jackcloud/sdk/wire'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { diskFull } from '../Disk.ts'
import { JackError } from '../Errors.ts'
import { databaseGone, unstorable } from '../store/database.ts'
import type { Door } from './Door.ts'
import { links } from './openapi.ts'

/** An error's body (RFC 9457). `fields` come last and never hide the fixed ones. */
export const problemOf = (error: JackError, requestId: string) => ({
  ...error.fields,
  type: error.type,
  title: errorCodes[error.code].title,
  status: error.status,
  detail: error.message,
  code: error.code,
  ...(error.hint !== undefined && { hint: error.hint }),
  ...(error.next !== undefined && { next: error.next }),
  request_id: requestId,
})

/** Whatever was thrown, as one of our errors. Of an unknown error nothing is told. */
export function asJackError(error: unknown): JackError {
  if (error instanceof JackError) return error
  if (error instanceof HTTPException && error.status < 500) {
    return new JackError('invalid_request', error.message || 'The request is not valid.', {
      cause: error,
    })
  }
  const known = databaseGone(error) ?? diskFull(error) ?? unstorable(error)
  if (known) return known
  return new JackError(
    'internal',
    'Something went wrong on our side. The request id helps us to find it.',
    {
      hint: 'Try again; with the same Idempotency-Key nothing happens twice.',
      cause: error,
    },
  )
}

/** @param challenges what a 401 or a 402 can be answered with */
export function answerProblem(
  c: Context<Door>,
  error: unknown,
  challenges: readonly string[] = [],
): Response {
  const known = asJackError(error)
  const headers: Record<string, string | string[]> = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  }
  if (known.retryAfterSeconds !== undefined)
    headers['retry-after'] = String(known.retryAfterSeconds)
  if (challenges.length > 0) headers['www-authenticate'] = challenges.join(', ')
  // Who gets these may never have read what there is.
  if ([401, 402, 404].includes(known.status)) headers.link = links
  return c.body(JSON.stringify(problemOf(known, c.get('requestId'))), known.status as 400, headers)
}
