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
  /** Pays what the server asks for. */
  payer?: Payer | undefined
}

export interface Payer {
  /** The ways to pay, for `Accept-Payment`. */
  accepts: string
  /** Pays for one call. */
  purchase(request: Purchasing): Purchase
}

/** The call that is paid for. */
export interface Purchasing {
  /** Method and path: "POST /execute". */
  resource: string
  /** The URL of the cloud. */
  cloud: string
  /** Host and port that are asked. */
  host: string
  /** Sends something else about the same resource, without a body; undefined when no answer came. */
  send(method: 'HEAD' | 'POST', headers: Record<string, string>): Promise<Response | undefined>
  /** Waits. Rejects when the call is given up. */
  pause(ms: number): Promise<void>
}

export interface Purchase {
  /** What carries the payment, once there is one. */
  readonly headers: Record<string, string>
  /** Told how an attempt ended that the client would not send again. True when it is to be sent, with new headers. */
  heard(outcome: Outcome): Promise<boolean>
  /** Told that nobody waits for the outcome any more. */
  abandon(): Promise<void>
}

/** How an attempt ended. Whatever there is of the answer was read. */
export interface Outcome {
  response?: Response | undefined
  value?: unknown
  error?: JackError | undefined
}

export interface Outgoing {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  query?: Record<string, unknown> | undefined
  /** JSON. */
  json?: unknown
  /** Anything else; opened once for each attempt, so that a stream can be sent again. */
  body?: Body | undefined
  accept?: string
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  idempotencyKey?: string | undefined
}

export interface Body {
  type: string
  /** A stream sends its beginning and waits for `asked` before the rest. */
  open(asked?: Promise<void>): BodyInit
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
  const purchase = connection.payer?.purchase(purchasing(connection, outgoing, request))
  try {
    for (let attempt = 0; ; ) {
      const outcome = await once(connection, outgoing, request, read, purchase?.headers)
      const wait = outcome.error ? waitBefore(connection, outgoing.method, attempt, outcome) : null
      if (outcome.error) outgoing.signal?.throwIfAborted()
      if (wait === null) {
        if (await purchase?.heard(outcome)) continue
        if (outcome.error) throw outcome.error
        return outcome.value as T
      }
      await sleep(wait, outgoing.signal)
      attempt++
    }
  } finally {
    await purchase?.abandon()
  }
}

function purchasing(connection: Connection, outgoing: Outgoing, request: Prepared): Purchasing {
  return {
    resource: `${outgoing.method} ${outgoing.path}`,
    cloud: connection.url,
    host: new URL(connection.url).host,
    send: async (method, headers) => {
      const { signal, done } = deadline(connection, outgoing.signal)
      try {
        return await connection.fetch(request.url, { method, headers, signal, redirect: 'manual' })
      } catch {
        outgoing.signal?.throwIfAborted()
        return undefined
      } finally {
        done()
      }
    },
    pause: (ms) => sleep(ms, outgoing.signal),
  }
}

interface Prepared {
  url: string
  headers: Record<string, string>
  open(asked?: Promise<void>): BodyInit | undefined
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
      ...(connection.payer && { 'accept-payment': connection.payer.accepts }),
      ...(type && { 'content-type': type }),
      ...(method === 'POST' && {
        'idempotency-key': outgoing.idempotencyKey ?? crypto.randomUUID(),
      }),
      ...outgoing.headers,
    },
    open: (asked) => body?.open(asked) ?? text,
  }
}

type Attempt<T> = Outcome & { value?: T } & { retryAfterMs?: number | undefined }

async function once<T>(
  connection: Connection,
  outgoing: Outgoing,
  request: Prepared,
  read: (response: Response) => Promise<T>,
  payment: Record<string, string> = {},
): Promise<Attempt<T>> {
  const { signal, done } = deadline(connection, outgoing.signal)
  const over = new AbortController()
  try {
    // Who has not paid yet is told the price, and need not send everything for that.
    const unpaid = connection.payer && !connection.token && Object.keys(payment).length === 0
    const asked = unpaid && outgoing.body ? sleep(longestWaitForPriceMs, over.signal) : undefined
    // It fails when the answer is there, and with it what is left of the stream.
    asked?.catch(() => {})
    const body = request.open(asked)
    const response = await connection.fetch(request.url, {
      method: outgoing.method,
      headers: { ...request.headers, ...payment },
      signal,
      redirect: 'manual',
      ...(body !== undefined && { body }),
      ...(body instanceof ReadableStream && { duplex: 'half' as const }),
    })
    if (response.ok) return { response, value: await read(response) }
    return {
      response,
      error: await errorOf(response, connection.url),
      retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
    }
  } catch (cause) {
    if (cause instanceof JackError) throw cause
    if (outgoing.signal?.aborted) throw outgoing.signal.reason
    return { error: signal.aborted ? timedOut(connection) : unreachable(connection, cause) }
  } finally {
    over.abort()
    done()
  }
}

/** How long a stream waits for the answer to its beginning, in milliseconds. */
const longestWaitForPriceMs = 2_000

/** A signal for one attempt. */
function deadline({ timeoutMs }: Connection, given: AbortSignal | undefined) {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(), timeoutMs)
  return {
    signal: given ? AbortSignal.any([given, timeout.signal]) : timeout.signal,
    done: () => clearTimeout(timer),
  }
}

/** Milliseconds until the next attempt; null when there is none. */
function waitBefore(
  connection: Connection,
  method: Outgoing['method'],
  attempt: number,
  { error, retryAfterMs }: Attempt<unknown>,
): number | null {
  if (!error || attempt >= connection.retries) return null
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
