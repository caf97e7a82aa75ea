import type { IncomingMessage } from 'node:http'

/** A message's own headers, names and values in turn, without those that belong to one connection or to us. */
export function endToEnd(message: IncomingMessage): string[] {
  const named = (message.headers.connection ?? '').toLowerCase().split(/\s*,\s*/)
  const headers: string[] = []
  const raw = message.rawHeaders
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    if (!dropped.has(name) && !named.includes(name)) headers.push(name, raw[i + 1] as string)
  }
  return headers
}

const dropped = new Set([
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  // Ours: it says that an answer is not that of whom the app asked.
  'x-jack-egress',
])
