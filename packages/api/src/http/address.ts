import type { IncomingMessage } from 'node:http'

/**
 * The client's address: the socket's, or what the outermost trusted proxy saw. What clients write themselves into
 * `x-forwarded-for` stands left of that and is not believed.
 */
export function clientAddress(req: IncomingMessage, trustedProxies: number): string {
  const socket = (req.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  if (trustedProxies === 0) return socket
  const seen = String(req.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((it) => it.trim())
    .filter(Boolean)
  return seen.at(-trustedProxies) ?? seen[0] ?? socket
}

export const clientScheme = (req: IncomingMessage, trustedProxies: number): 'http' | 'https' =>
  trustedProxies > 0 && req.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http'
