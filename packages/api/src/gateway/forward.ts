import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline, type Readable, Transform } from 'node:stream'
import { limits } from '@jackcloud/sdk/wire'
import type { Dispatcher } from 'undici'
import { JackError } from '../Errors.ts'
import type { Lease } from '../engine/Engine.ts'

/** Headers of one hop (RFC 9110, 7.6.1), and ours about it. */
const ofTheHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'x-request-id',
  'x-jack-hops',
])

/** Who the client is, which only the gateway says. An app that calls another one of its account may pass it on. */
const ofTheClient = new Set(['x-real-ip', 'true-client-ip', 'x-client-ip', 'forwarded'])

/** Families of headers that say who asks and by which way: only the gateway knows. */
const ours = /^(?:x-forwarded-|cf-|x-jack-)/

/** What an app cannot say of itself. */
const onlyOurs = /^(?:x-jack-|x-request-id$)/

/** What a client cannot take away by naming it in `Connection`: without these the request would be another one. */
const kept = new Set(['host', 'content-length', 'content-type'])

export interface Client {
  address: string
  scheme: 'http' | 'https'
}

/** An app that calls another project of its account. */
export interface Caller {
  accountId: string
  /** The name of the project that it calls. */
  service: string
  /** How many apps the request went through that passed it on. */
  hops: number
}

/**
 * The headers for the app: those of the client without what belongs to the hop, who the client is, and our id of the
 * request. An id that a client sends is no use to us: two of its requests could have the same.
 */
export function forwardedHeaders(
  req: IncomingMessage,
  client: Client | Caller,
  requestId: string,
): string[] {
  const listed = namesIn(req.headers.connection ?? '')
  const headers: string[] = []
  const raw = req.rawHeaders
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    if (ofTheHop.has(name) || (listed.has(name) && !kept.has(name))) continue
    if (!('service' in client) && (ofTheClient.has(name) || ours.test(name))) continue
    headers.push(name, raw[i + 1] as string)
  }
  if ('service' in client) {
    headers.push('x-jack-hops', String(client.hops), 'x-request-id', requestId)
    return headers
  }
  headers.push('x-forwarded-for', client.address, 'x-forwarded-proto', client.scheme)
  headers.push('x-real-ip', client.address, 'cf-connecting-ip', client.address)
  if (req.headers.host) headers.push('x-forwarded-host', req.headers.host)
  headers.push('x-request-id', requestId)
  return headers
}

/**
 * Streams a request to an app and its answer back, both with backpressure. Ends the app's side when the client leaves.
 *
 * Resolves when the exchange is over: with whether the client got the whole answer, or with the error if the app
 * failed before it answered anything, so that the caller can still answer.
 */
export function forward(
  req: IncomingMessage,
  res: ServerResponse,
  lease: Lease,
  client: Client | Caller,
  requestId: string,
  extra: Record<string, string>,
): Promise<{ complete: boolean; error?: Error }> {
  // The client left while the app was started: nobody will hear of that again.
  if (res.destroyed) return Promise.resolve({ complete: false })
  return new Promise((resolve) => {
    const hasBody =
      req.headers['transfer-encoding'] !== undefined ||
      (req.headers['content-length'] !== undefined && req.headers['content-length'] !== '0')
    const headers = forwardedHeaders(req, client, requestId)
    for (const [name, value] of Object.entries(lease.headers)) headers.push(name, value)

    let control: Dispatcher.DispatchController | undefined
    let over = false
    const end = (result: { complete: boolean; error?: Error }) => {
      if (over) return
      over = true
      res.off('close', onClose)
      res.off('drain', onDrain)
      resolve(result)
    }
    const onClose = () => {
      if (res.writableFinished) return
      control?.abort(new Error('the client left'))
      end({ complete: false })
    }
    const onDrain = () => control?.resume()
    // A chunk waits for the end of what was read together with it: most answers leave in one write, headers and all.
    let held: Buffer | undefined
    const write = (controller: Dispatcher.DispatchController) => {
      if (held && !over && !res.write(held)) controller.pause()
      held = undefined
    }
    res.on('close', onClose)
    res.on('drain', onDrain)

    lease.dispatcher.dispatch(
      {
        origin: lease.origin,
        path: req.url as string,
        method: req.method as Dispatcher.HttpMethod,
        headers,
        body: hasBody ? bodyOf(req) : null,
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      {
        onRequestStart(controller) {
          control = controller
          if (over) controller.abort(new Error('the client left'))
        },
        onResponseStart(controller, status, _headers, message) {
          if (status < 200) return
          const answer = answeredHeaders(controller.rawHeaders as Buffer[])
          for (const [name, value] of Object.entries(extra)) answer.push(name, value)
          res.writeHead(status, message ?? '', answer)
          // An answer whose body takes its time shows its headers at once.
          queueMicrotask(() => {
            if (!held && !over && !res.writableEnded) res.flushHeaders()
          })
        },
        onResponseData(controller, chunk) {
          if (held) write(controller)
          else queueMicrotask(() => write(controller))
          held = chunk
        },
        onResponseEnd() {
          res.end(held)
          held = undefined
          if (res.writableFinished) end({ complete: true })
          else res.once('finish', () => end({ complete: true }))
        },
        onResponseError(_controller, error) {
          if (res.headersSent) {
            res.destroy()
            end({ complete: false })
          } else {
            end({ complete: false, error })
          }
        },
      },
    )
  })
}

/** An app's headers for the client, names in lower case and values in turns: without those of its hop, and ours. */
export function answeredHeaders(raw: (Buffer | string)[]): string[] {
  const text = (it: Buffer | string | undefined) =>
    Buffer.isBuffer(it) ? it.toString('latin1') : String(it)
  const names = raw.filter((_, i) => i % 2 === 0).map((it) => text(it).toLowerCase())
  const listed = new Set<string>()
  for (const [i, name] of names.entries()) {
    if (name !== 'connection') continue
    for (const it of namesIn(text(raw[2 * i + 1]))) listed.add(it)
  }
  return names.flatMap((name, i) =>
    hopHeaders.has(name) || listed.has(name) || onlyOurs.test(name)
      ? []
      : [name, text(raw[2 * i + 1])],
  )
}

const namesIn = (connection: string): Set<string> =>
  new Set(
    connection
      .toLowerCase()
      .split(',')
      .map((it) => it.trim()),
  )

/** The body, which may not grow over the limit when it did not say its length. */
function bodyOf(req: IncomingMessage): Readable {
  if (req.headers['content-length'] !== undefined) return req
  let sizeBytes = 0
  const limited = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sizeBytes += chunk.length
      if (sizeBytes <= limits.hosting.requestBodyBytes) done(null, chunk)
      else done(bodyTooLarge())
    },
  })
  pipeline(req, limited, () => {})
  return limited
}

export const bodyTooLarge = () =>
  new JackError(
    'body_too_large',
    `A request body can have ${limits.hosting.requestBodyBytes} bytes.`,
  )

const hopHeaders = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'trailer',
])
