import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Lease } from '../engine/Engine.ts'
import { type Caller, type Client, forwardedHeaders } from './forward.ts'

/** Joins a client's socket with an app's WebSocket. Resolves when either side is gone. */
export async function joinSockets(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  lease: Lease,
  client: Client | Caller,
  requestId: string,
): Promise<void> {
  const headers = forwardedHeaders(req, client, requestId)
  for (const [name, value] of Object.entries(lease.headers)) headers.push(name, value)
  const waiting = whileThere(socket)
  const app: Dispatcher.UpgradeData<null> = await lease.dispatcher.upgrade({
    path: req.url as string,
    method: 'GET',
    headers,
    protocol: 'websocket',
    signal: waiting.signal,
  })
  waiting.end()
  lease.detach()
  if (socket.destroyed) {
    app.socket.destroy()
    return
  }
  const lines = Object.entries(app.headers)
    .filter(([name]) => name !== 'connection' && name !== 'upgrade' && name !== 'x-request-id')
    .map(([name, value]) => `${name}: ${value}`)
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'connection: Upgrade',
      'upgrade: websocket',
      `x-request-id: ${requestId}`,
      ...lines,
      '',
      '',
    ].join('\r\n'),
  )
  if (head.length > 0) app.socket.write(head)
  await new Promise<void>((resolve) => {
    const end = () => {
      socket.destroy()
      app.socket.destroy()
      resolve()
    }
    for (const side of [socket, app.socket]) side.on('error', end).on('close', end)
    app.socket.pipe(socket)
    socket.pipe(app.socket)
  })
}

/**
 * A signal that aborts when the client leaves while the app still thinks. Nobody reads the socket until then, and a
 * socket that is not read does not say that it ended.
 */
function whileThere(socket: Duplex): { signal: AbortSignal; end(): void } {
  const left = new AbortController()
  const leave = () => left.abort(new Error('the client left'))
  const look = () => {
    if (socket.readableLength === 0) socket.read(0)
  }
  socket.on('readable', look).once('end', leave).once('close', leave)
  return {
    signal: left.signal,
    end() {
      socket.off('readable', look).off('end', leave).off('close', leave)
    },
  }
}
