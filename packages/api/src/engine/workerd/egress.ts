import { lookup } from 'node:dns/promises'
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import ipaddr from 'ipaddr.js'

export interface EgressOptions {
  /** Permits an address that is not public. For tests and for operators with a service of their own. */
  allow?: (address: string, port: number) => boolean
}

/**
 * The way out of one app: takes requests with a whole URL, and makes them only to public addresses.
 * The name is resolved here and the connection goes to the very address that was checked, so a name that changes its
 * answer gains nothing. Redirects come back to the app, which asks again and is checked again.
 */
export function egressServer(options: EgressOptions): Server {
  const server = createServer({ requireHostHeader: false }, (incoming, outgoing) => {
    forward(incoming, outgoing, options).catch((error: Error) =>
      refuse(outgoing, 502, error.message),
    )
  })
  server.on('connect', (_request, socket) => {
    socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\n\r\n')
  })
  return server
}

async function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: EgressOptions,
): Promise<void> {
  const url = parseUrl(incoming.url)
  if (!url) return refuse(outgoing, 400, 'Only http and https URLs can be fetched')
  const secure = url.protocol === 'https:'
  const port = Number(url.port) || (secure ? 443 : 80)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const address = await firstAllowed(host, port, options)
  if (!address)
    return refuse(outgoing, 403, `${url.hostname} is not a public address: apps reach only those`)
  const headers = endToEnd(incoming)
  headers.host ??= url.host
  const upstream = (secure ? httpsRequest : httpRequest)({
    host: address,
    port,
    path: `${url.pathname}${url.search}`,
    method: incoming.method,
    headers,
    agent: false,
    ...(secure && !isIP(host) ? { servername: host } : {}),
  })
  upstream.on('response', (response) => {
    outgoing.writeHead(response.statusCode ?? 502, response.statusMessage, endToEnd(response))
    response.pipe(outgoing)
    response.on('error', () => outgoing.destroy())
  })
  upstream.on('error', (error) => refuse(outgoing, 502, `${url.host}: ${error.message}`))
  upstream.on('upgrade', (_response, socket) => socket.destroy())
  outgoing.on('close', () => upstream.destroy())
  incoming.on('error', () => upstream.destroy())
  incoming.pipe(upstream)
}

function parseUrl(text = ''): URL | undefined {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined
}

async function firstAllowed(
  host: string,
  port: number,
  { allow }: EgressOptions,
): Promise<string | undefined> {
  const addresses = isIP(host) ? [host] : (await lookup(host, { all: true })).map((a) => a.address)
  // One private answer spoils the name: nobody public mixes them.
  const allowed = (address: string) =>
    (isPublic(address) && !isOurs(address)) || allow?.(address, port) === true
  return addresses.every(allowed) ? addresses[0] : undefined
}

/** A public address of this very machine: what listens there need not be meant for apps. */
const isOurs = (address: string) =>
  Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === address))

/** Whether an address is out on the internet, also where it hides in an IPv6 one. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  // "unicast" is what is left after private, loopback, link-local, carrier-grade NAT, mapped, 6to4, NAT64 and so on.
  if (parsed.range() !== 'unicast') return false
  if (parsed.kind() === 'ipv4') return true
  const v6 = parsed as ipaddr.IPv6
  // Global unicast, and none of the documented corners of it.
  return (
    v6.match(ipaddr.IPv6.parse('2000::'), 3) &&
    !v6.match(ipaddr.IPv6.parse('2001::'), 23) &&
    !v6.match(ipaddr.IPv6.parse('2001:db8::'), 32) &&
    !v6.match(ipaddr.IPv6.parse('2002::'), 16)
  )
}

/** Headers that belong to the message and not to one connection. */
function endToEnd(message: IncomingMessage): Record<string, string | string[]> {
  const named = (message.headers.connection ?? '').toLowerCase().split(/\s*,\s*/)
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(message.headers))
    if (value !== undefined && !perConnection.has(name) && !named.includes(name))
      headers[name] = value
  return headers
}

const perConnection = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function refuse(outgoing: ServerResponse, status: number, message: string): void {
  if (outgoing.headersSent) {
    outgoing.destroy()
    return
  }
  outgoing.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'x-jack-egress': 'refused',
  })
  outgoing.end(`${message}\n`)
}
