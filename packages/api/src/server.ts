import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { limits } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import type { Gateway } from './gateway/gateway.ts'
import { refuse } from './gateway/refuse.ts'
import { clientAddress, clientScheme } from './http/address.ts'
import type { Door } from './http/Door.ts'
import { makeId } from './Id.ts'
import type { Jack } from './jack.ts'

/**
 * One listener for both: the Host header says whether a request is for a live URL or for the API.
 */
export function createListener({ headersTimeoutMs = 15_000, checkEveryMs = 5_000 } = {}): Server {
  const server = createServer({
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: checkEveryMs,
    requestTimeout: 600_000,
    keepAliveTimeout: 65_000,
    // Whoever vanished without a word is found out by the kernel.
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
    // Any other upgrade may be ignored (RFC 9110, 7.8): curl offers h2c unasked.
    shouldUpgradeCallback: (req) => req.headers.upgrade?.toLowerCase() === 'websocket',
  })
  server.maxRequestsPerSocket = 0
  server.on('request', answerStarting)
  return server
}

/** Who comes while everything is being opened is not left waiting for an answer that nobody gives. */
function answerStarting(req: IncomingMessage, res: ServerResponse): void {
  const requestId = makeId('req', Date.now(), randomBytes(14))
  refuse(req, res, requestId, 'unavailable', 'This server is starting.', 'Ask again in a second.')
}

/** Puts the API and the gateway behind a listener. */
export function serve(server: Server, jack: Jack, app: Hono<Door>, gateway: Gateway): void {
  const { trustedProxies } = jack.config
  const api = getRequestListener(
    (request, it) => {
      const incoming = it.incoming as IncomingMessage
      const address = clientAddress(incoming, trustedProxies)
      return app.fetch(request, { address, body: incoming, incoming })
    },
    { overrideGlobalObjects: false },
  )
  const clientOf = (req: Parameters<typeof clientAddress>[0]) => ({
    address: clientAddress(req, trustedProxies),
    scheme: clientScheme(req, trustedProxies),
  })

  // Answers that are under way on a connection: nothing else may be written into one.
  const answering = new WeakMap<Duplex, Set<ServerResponse>>()

  // Whoever asks before he sends a body that is too large anyway is told so at once, by the answer.
  server.on('checkContinue', (req, res) => {
    if (Number(req.headers['content-length'] ?? 0) <= limits.hosting.requestBodyBytes)
      res.writeContinue()
    server.emit('request', req, res)
  })
  server.off('request', answerStarting)
  server.on('request', (req, res) => {
    const answers = answering.get(req.socket) ?? new Set()
    answering.set(req.socket, answers.add(res))
    res.once('close', () => answers.delete(res))
    if (!isPlain(req)) {
      res.writeHead(400, { connection: 'close' }).end()
      return
    }
    if (jack.closing.aborted) res.setHeader('connection', 'close')
    if (!gateway.owns(req)) {
      void api(req, res)
      return
    }
    gateway.handle(req, res, clientOf(req)).catch((error) => {
      jack.log.error({ err: error }, 'gateway')
      res.destroy()
    })
  })
  const upgraded = new Set<Duplex>()
  jack.closing.addEventListener('abort', () => {
    for (const socket of upgraded) socket.destroy()
  })
  server.on('upgrade', (req, socket, head) => {
    upgraded.add(socket)
    socket.on('close', () => upgraded.delete(socket))
    if (!isPlain(req) || !gateway.owns(req)) {
      socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
      return
    }
    gateway.upgrade(req, socket, head, clientOf(req)).catch((error) => {
      jack.log.error({ err: error }, 'gateway')
      socket.destroy()
    })
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = clientErrors[error.code ?? ''] ?? '400 Bad Request'
    const began = [...(answering.get(socket) ?? [])].some((res) => res.headersSent)
    if (socket.writable && !began)
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
    else socket.destroy()
  })
}

const clientErrors: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/**
 * Whether there is one host to speak of: an absolute-form target (RFC 9112, 3.2.2) or a second Host header could name
 * another one than that by which the request is routed.
 */
function isPlain(req: IncomingMessage): boolean {
  if (!req.url?.startsWith('/')) return false
  let hosts = 0
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts === 1
}
