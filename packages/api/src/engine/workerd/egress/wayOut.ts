import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Server as Listener, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContext } from 'node:tls'
import type { Addresses } from './addresses.ts'
import { endToEnd } from './headers.ts'
import type { WayUsage } from './messages.ts'
import { allowList, type Target, targetOf } from './policy.ts'
import { Refusal } from './refusal.ts'
import { type EgressLimits, Traffic } from './traffic.ts'
import { Upstreams } from './upstreams.ts'

export interface WayOptions {
  /** Null for every public host. */
  hosts: readonly string[] | null
  limits: EgressLimits
  addresses: Addresses
  secureContext: SecureContext
}

/**
 * The way out of one app: a proxy that takes requests with a whole URL, and makes them where the app may go. Redirects
 * come back to the app, which asks again and is checked again.
 */
export class WayOut {
  readonly #listener: Listener
  readonly #server: Server
  readonly #upstreams: Upstreams
  readonly #traffic: Traffic
  readonly #mayReach: (target: Target) => boolean
  readonly #sockets = new Set<Duplex>()
  #used: WayUsage = { requests: 0, bytesOut: 0, bytesIn: 0 }

  /** @param listener listens already; who connects is the app, whatever it says */
  constructor(listener: Listener, { hosts, limits, addresses, secureContext }: WayOptions) {
    this.#traffic = new Traffic(limits)
    this.#mayReach = allowList(hosts)
    this.#upstreams = new Upstreams(addresses, secureContext)
    this.#server = createServer({
      requireHostHeader: false,
      maxHeaderSize: 65_536,
      // The runtime keeps connections as long as it likes, and takes its time with bodies.
      keepAliveTimeout: 0,
      headersTimeout: 0,
      requestTimeout: 0,
    })
    this.#server.on('request', (incoming, outgoing) => void this.#answer(incoming, outgoing))
    this.#server.on('upgrade', (incoming, socket, head) => void this.#join(incoming, socket, head))
    this.#server.on('connect', (incoming, socket) =>
      refuse(plainAnswer(incoming, socket), new Refusal(403, 'Apps make HTTP requests only.')),
    )
    this.#server.on('clientError', (_error, socket) => socket.destroy())
    this.#listener = listener
    // The runtime opens one for each request, also for those that are refused.
    listener.maxConnections = limits.connections + limits.waiting + 1024
    listener.on('connection', (socket: Socket) => {
      this.#keep(socket)
      this.#server.emit('connection', socket)
    })
    listener.on('error', () => {})
  }

  /** What it was used for since the last time that somebody asked. */
  takeUsage(): WayUsage {
    const used = this.#used
    this.#used = { requests: 0, bytesOut: 0, bytesIn: 0 }
    return used
  }

  /** Ends whatever is under way. */
  end(): void {
    this.#listener.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#upstreams.end()
  }

  async #answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    incoming.on('error', () => {})
    outgoing.on('error', () => {})
    outgoing.sendDate = false
    try {
      const target = this.#target(incoming)
      const leave = await this.#traffic.enter(outgoing)
      outgoing.once('close', leave)
      if (outgoing.destroyed) return leave()
      await this.#upstreams.check(target)
      this.#forward(target, incoming, outgoing)
    } catch (error) {
      incoming.resume()
      refuse(outgoing, error as Error)
    }
  }

  #forward(target: Target, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const hasBody =
      incoming.headers['transfer-encoding'] !== undefined ||
      Number(incoming.headers['content-length'] ?? 0) > 0
    const count = (chunk: Buffer) => {
      this.#used.bytesOut += chunk.length
    }
    const upstream = this.#upstreams.request(target, incoming, () => {
      this.#used.requests++
      if (!hasBody || upstream.destroyed) return
      // Some servers answer before the body, or do not want it.
      upstream.flushHeaders()
      incoming.on('data', count)
      incoming.pipe(upstream)
    })
    upstream.on('response', (response) => this.#giveBack(response, outgoing))
    upstream.on('upgrade', (_response, socket) => {
      socket.destroy()
      refuse(outgoing, new Refusal(502, `${target.authority} switched to another protocol.`))
    })
    upstream.on('error', (error: NodeJS.ErrnoException) => {
      // It was closed by the other side in the moment in which we took it for another request.
      const stale = upstream.reusedSocket && error.code === 'ECONNRESET' && !outgoing.headersSent
      if (stale && !hasBody && repeatable.has(incoming.method ?? ''))
        this.#forward(target, incoming, outgoing)
      else refuse(outgoing, failure(target, error))
    })
    upstream.on('close', () => {
      // What the app still sends is for nobody.
      incoming.off('data', count)
      incoming.unpipe(upstream)
      incoming.resume()
    })
    // After a whole answer too: the rest of the body that it was not waiting for is for nobody.
    outgoing.on('close', () => {
      if (!upstream.writableFinished || !outgoing.writableFinished) upstream.destroy()
    })
    outgoing.on('finish', () => {
      if (!upstream.writableFinished) upstream.destroy()
    })
    if (outgoing.destroyed) upstream.destroy()
    else if (!hasBody) upstream.end()
  }

  #giveBack(response: IncomingMessage, outgoing: ServerResponse): void {
    response.on('error', () => outgoing.destroy())
    try {
      outgoing.writeHead(response.statusCode ?? 502, response.statusMessage, endToEnd(response))
    } catch {
      // A status or a header that HTTP does not know.
      response.destroy()
      outgoing.destroy()
      return
    }
    // An answer whose body takes its time shows its headers at once; with all others they go together.
    const show = setImmediate(() => outgoing.flushHeaders())
    response.once('end', () => clearImmediate(show))
    response.on('data', (chunk: Buffer) => {
      clearImmediate(show)
      this.#used.bytesIn += chunk.length
    })
    response.pipe(outgoing)
  }

  /** A WebSocket: once the other side agrees, bytes go through unread. */
  async #join(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy())
    const outgoing = plainAnswer(incoming, socket)
    try {
      if (incoming.headers.upgrade?.toLowerCase() !== 'websocket' || head.length > 0)
        throw new Refusal(400, 'Only WebSockets can be asked for in place of HTTP.')
      const target = this.#target(incoming)
      const leave = await this.#traffic.enter(socket)
      socket.once('close', leave)
      if (socket.destroyed) return leave()
      // A socket that is not read does not say that its other end is gone; nothing comes before the handshake is over.
      socket.resume()
      await this.#upstreams.check(target)
      const upstream = this.#upstreams.request(
        target,
        incoming,
        () => {
          this.#used.requests++
        },
        true,
      )
      socket.once('close', () => upstream.destroy())
      upstream.on('error', (error) => refuse(outgoing, failure(target, error)))
      upstream.on('response', (response) => this.#giveBack(response, outgoing))
      upstream.on('upgrade', (response, other, first) => {
        outgoing.detachSocket(socket as Socket)
        this.#splice(socket, response, other, first)
      })
      upstream.end()
    } catch (error) {
      refuse(outgoing, error as Error)
    }
  }

  #splice(socket: Duplex, response: IncomingMessage, other: Socket, first: Buffer): void {
    other.on('error', () => other.destroy())
    other.on('close', () => socket.destroy())
    socket.on('close', () => other.destroy())
    if (socket.destroyed || response.headers.upgrade?.toLowerCase() !== 'websocket') {
      other.destroy()
      socket.destroy()
      return
    }
    other.setTimeout(0)
    other.setKeepAlive(true, 60_000)
    const lines = ['HTTP/1.1 101 Switching Protocols', 'connection: Upgrade', 'upgrade: websocket']
    const headers = endToEnd(response)
    for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
    if (first.length > 0) other.unshift(first)
    other.on('data', (chunk: Buffer) => {
      this.#used.bytesIn += chunk.length
    })
    socket.on('data', (chunk: Buffer) => {
      this.#used.bytesOut += chunk.length
    })
    other.pipe(socket)
    socket.pipe(other)
  }

  #target(incoming: IncomingMessage): Target {
    const target = targetOf(incoming.url)
    if (!target) throw new Refusal(400, 'Only whole http and https URLs can be fetched.')
    const coding = incoming.headers['transfer-encoding']
    if (coding !== undefined && coding.toLowerCase() !== 'chunked')
      throw new Refusal(400, 'A body comes as it is or in chunks.')
    if (!this.#mayReach(target))
      throw new Refusal(
        403,
        `${target.authority} is not among the hosts that this app may reach. Add it to "egress" in jack.json and deploy again.`,
      )
    return target
  }

  #keep(socket: Duplex): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

/** Methods that may be asked again when the connection was gone. */
const repeatable = new Set(['GET', 'HEAD', 'OPTIONS'])

function failure({ authority }: Target, error: Error): Refusal {
  if (error instanceof Refusal) return error
  // All addresses were tried: each has its own story.
  const [first] = error instanceof AggregateError ? error.errors : [error]
  return new Refusal(502, `${authority} did not answer: ${first.message}.`)
}

/** An answer on a socket that the server has let go of. */
function plainAnswer(incoming: IncomingMessage, socket: Duplex): ServerResponse {
  const outgoing = new ServerResponse(incoming)
  outgoing.sendDate = false
  outgoing.shouldKeepAlive = false
  outgoing.assignSocket(socket as Socket)
  outgoing.on('error', () => {})
  outgoing.once('finish', () => socket.end())
  return outgoing
}

/** Says why there is no answer; when one has begun, breaks it off. */
function refuse(outgoing: ServerResponse, error: Error): void {
  if (outgoing.headersSent || outgoing.destroyed) {
    outgoing.destroy()
    return
  }
  const { status, kind, message } =
    error instanceof Refusal ? error : new Refusal(502, 'The request could not be made.')
  outgoing.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'x-jack-egress': kind,
    ...(status === 429 ? { 'retry-after': '1' } : {}),
  })
  outgoing.end(`${message}\n`)
}
