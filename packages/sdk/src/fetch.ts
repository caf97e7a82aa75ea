import { errorOf, JackError } from './JackError.ts'

/** Any function with the shape of the platform's `fetch`. */
export type Fetch = (input: string, init: RequestInit & { duplex?: 'half' }) => Promise<Response>

export interface Connection {
  /** Without a slash at the end. */
  url: string
  token: string | undefined
  fetch: Fetch
  /** For one attempt, in milliseconds. */
  timeoutMs: number
  /** Attempts after the first. */
  retries: number
  /** The wait before attempt n + 1, before jitter, is this times 2^n, in milliseconds. */
  backoffMs: number
}

export interface Outgoing {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  query?: Record<string, unknown> | undefined
  /** JSON. */
  json?: unknown
  /** Anything else; called once for each attempt, so that a stream can be sent again. */
  body?: { type: string; open(): BodyInit } | undefined
  accept?: string
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  idempotencyKey?: string | undefined
}

/** Sends a request and reads the JSON object of its answer. Throws a JackError, or the reason of `signal`. */
export async function send<T>(connection: Connection, outgoing: Outgoing): Promise<T> {
  return open(connection, outgoing, async (response) => {
    const text = await response.text()
    try {
      const answer = JSON.parse(text)
      if (typeof answer === 'object' && answer !== null) return answer as T
    } catch {
      // Said below.
    }
    throw new JackError('bad_answer', `${connection.url} answered something that is not JSON.`, {
      status: response.status,
      hint: 'Is this the URL of a Jack Cloud?',
      fields: { answer: text.slice(0, 500) },
    })
  })
}

/**
 * Sends a request until there is an answer that another try would not change, and hands a good one to `read`.
 *
 * What is sent again: a GET, or a POST under its Idempotency-Key, after a network failure or 502, 503 and 504; and
 * anything that was turned away with 429, after the time that the answer asks for.
 */
export async function open<T>(
  connection: Connection,
  outgoing: Outgoing,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const request = prepare(connection, outgoing)
  for (let attempt = 0; ; attempt++) {
    const outcome = await once(connection, outgoing, request, read)
    if ('value' in outcome) return outcome.value
    outgoing.signal?.throwIfAborted()
    const wait = waitBefore(connection, outgoing.method, attempt, outcome)
    if (wait === null) throw outcome.error
    await sleep(wait, outgoing.signal)
  }
}

type Failed = { error: JackError; retryAfterMs?: number | undefined; afterSending?: boolean }

interface Prepared {
  url: string
  headers: Record<string, string>
  open(): BodyInit | undefined
}

function prepare(connection: Connection, outgoing: Outgoing): Prepared {
  const { method, json, body } = outgoing
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(outgoing.query ?? {})) {
    if (value !== undefined) query.set(name, String(value))
  }
  const text = json === undefined ? undefined : JSON.stringify(json)
  const type = body?.type ?? (text === undefined ? undefined : 'application/json')
  return {
    url: `${connection.url}${outgoing.path}${query.size > 0 ? `?${query}` : ''}`,
    headers: {
      accept: outgoing.accept ?? 'application/json',
      ...(connection.token && { authorization: `Bearer ${connection.token}` }),
      ...(type && { 'content-type': type }),
      ...(method === 'POST' && {
        'idempotency-key': outgoing.idempotencyKey ?? crypto.randomUUID(),
      }),
      ...outgoing.headers,
    },
    open: () => body?.open() ?? text,
  }
}

async function once<T>(
  connection: Connection,
  outgoing: Outgoing,
  request: Prepared,
  read: (response: Response) => Promise<T>,
): Promise<{ value: T } | Failed> {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), connection.timeoutMs)
  const stop = outgoing.signal ? AbortSignal.any([outgoing.signal, timeout.signal]) : timeout.signal
  try {
    const body = request.open()
    const response = await connection.fetch(request.url, {
      method: outgoing.method,
      headers: request.headers,
      signal: stop,
      redirect: 'manual',
      ...(body !== undefined && { body }),
      ...(body instanceof ReadableStream && { duplex: 'half' as const }),
    })
    if (response.ok) return { value: await read(response) }
    return {
      error: await errorOf(response, connection.url),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
    }
  } catch (cause) {
    if (cause instanceof JackError) throw cause
    if (outgoing.signal?.aborted) throw outgoing.signal.reason
    return { error: timeout.signal.aborted ? timedOut(connection) : unreachable(connection, cause) }
  } finally {
    clearTimeout(timer)
  }
}

/** Milliseconds until the next attempt; null when there is none. */
function waitBefore(
  connection: Connection,
  method: Outgoing['method'],
  attempt: number,
  { error, retryAfterMs }: Failed,
): number | null {
  if (attempt >= connection.retries) return null
  const again = method === 'GET' || method === 'POST'
  const lost = error.code === 'network' || (error.code === 'timeout' && method === 'GET')
  const busy =
    error.status === 503 || ((error.status === 502 || error.status === 504) && isGateway(error))
  // The first attempt is still being worked on: its answer will be found under the same key.
  const inFlight = error.status === 409 && retryAfterMs !== undefined
  if (!(error.status === 429 || (again && (lost || busy || inFlight)))) return null
  if (retryAfterMs !== undefined) return retryAfterMs > longestWaitMs ? null : retryAfterMs
  return Math.random() * connection.backoffMs * 2 ** attempt
}

const longestWaitMs = 30_000

/** A program that fails to start answers 502 too; that one would fail again. */
const isGateway = (error: JackError): boolean =>
  error.code !== 'deploy_failed' && error.code !== 'app_failed'

/** Seconds or an HTTP date, as milliseconds from now. */
function retryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1_000
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}

function timedOut({ url, timeoutMs }: Connection): JackError {
  return new JackError('timeout', `${url} did not answer within ${timeoutMs / 1_000} seconds.`, {
    hint: 'Try again, or give it more time.',
  })
}

function unreachable({ url }: Connection, cause: unknown): JackError {
  const local = ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname)
  return new JackError('network', `${url} could not be reached${reason(cause)}.`, {
    hint: local ? 'Is `jack up` running?' : 'Check the URL and your connection.',
    ...(local && { next: [{ command: 'jack up', when: 'to start a Jack Cloud on this machine' }] }),
    fields: { url },
    cause,
  })
}

/** The system's word for it (ECONNREFUSED), which Node hides in the cause of "fetch failed". */
function reason(error: unknown): string {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') return ` (${at.code})`
  }
  return ''
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', stopped, { once: true })
    function done() {
      signal?.removeEventListener('abort', stopped)
      resolve()
    }
    function stopped() {
      clearTimeout(timer)
      reject(signal?.reason)
    }
  })
}
