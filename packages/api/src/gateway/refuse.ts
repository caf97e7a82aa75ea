import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ErrorCode, errorCodes } from '@jackcloud/sdk/wire'

/** Answers a live URL's request that no app will answer: a small page for people, problem+json for programs. */
export function refuse(
  req: IncomingMessage,
  res: ServerResponse,
  requestId: string,
  code: ErrorCode,
  detail: string,
  hint?: string,
  fields: Record<string, unknown> = {},
  challenges: readonly string[] = [],
): void {
  const { status, title } = errorCodes[code]
  if (res.headersSent) {
    res.destroy()
    return
  }
  const wantsPage = req.headers.accept?.includes('text/html') ?? false
  const body = wantsPage
    ? page(status, title, detail, requestId, hint)
    : JSON.stringify({
        type: `urn:jack:problem:${code}`,
        title,
        status,
        detail,
        code,
        ...(hint && { hint }),
        request_id: requestId,
        ...fields,
      })
  res.writeHead(status, {
    'content-type': wantsPage ? 'text/html; charset=utf-8' : 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    ...(challenges.length > 0 && { 'www-authenticate': challenges.join(', ') }),
    ...(code === 'rate_limited' || code === 'unavailable' ? { 'retry-after': '1' } : {}),
    // A body that nobody reads must not be taken for the next request.
    ...(req.complete ? {} : { connection: 'close' }),
  })
  res.end(req.method === 'HEAD' ? undefined : body)
}

/** Answers a change of a payer's session, which is nothing for the app. */
export function acknowledge(
  req: IncomingMessage,
  res: ServerResponse,
  requestId: string,
  receipt: string,
): void {
  res.writeHead(204, {
    'payment-receipt': receipt,
    'cache-control': 'no-store',
    'x-request-id': requestId,
    ...(req.complete ? {} : { connection: 'close' }),
  })
  res.end()
}

/** Refuses a WebSocket before it is one. The socket closes after the answer. */
export function refuseSocket(
  socket: Duplex,
  requestId: string,
  code: ErrorCode,
  detail: string,
): void {
  const { status, title } = errorCodes[code]
  const type = `urn:jack:problem:${code}`
  const body = JSON.stringify({ type, title, status, detail, code, request_id: requestId })
  socket.end(
    [
      `HTTP/1.1 ${status} Refused`,
      'connection: close',
      `x-request-id: ${requestId}`,
      'content-type: application/problem+json',
      `content-length: ${Buffer.byteLength(body)}`,
      ...(code === 'unavailable' ? ['retry-after: 1'] : []),
      '',
      body,
    ].join('\r\n'),
  )
}

const page = (
  status: number,
  title: string,
  detail: string,
  requestId: string,
  hint = '',
): string => `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${status} ${escapeHtml(title)}</title>
<style>
  :root { color-scheme: light dark; font: 17px/1.5 system-ui, sans-serif }
  body { max-width: 34rem; margin: 20vh auto; padding: 0 1.5rem }
  h1 { font-size: 1.3rem } p { opacity: .8 } small { opacity: .5 }
</style>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(detail)} ${escapeHtml(hint)}</p>
<small>${status}, answered by Jack, ${requestId}</small>
</html>
`

const escapeHtml = (text: string): string =>
  text.replace(
    /[&<>"]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] as string,
  )
