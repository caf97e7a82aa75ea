import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
}

/** What the fake answers; `hangUp` closes the connection without a word. */
export interface Reply {
  status?: number
  headers?: Record<string, string>
  body?: unknown
  hangUp?: boolean
  afterMs?: number
}

/** A fake of the API: answers what it is told and keeps what it got. Only for behaviour that a real one would not show on demand. */
export async function fakeServer(reply: (seen: Seen, attempt: number) => Reply) {
  const seen: Seen[] = []
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.on('end', () => {
      const it = {
        method: req.method ?? '',
        path: req.url ?? '',
        headers: req.headers,
        body: Buffer.concat(chunks).toString('latin1'),
      }
      seen.push(it)
      const { status = 200, headers = {}, body = {}, hangUp, afterMs = 0 } = reply(it, seen.length)
      setTimeout(() => {
        if (hangUp) return req.socket.destroy()
        res.writeHead(status, { 'content-type': 'application/json', ...headers })
        res.end(typeof body === 'string' ? body : JSON.stringify(body))
      }, afterMs)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
