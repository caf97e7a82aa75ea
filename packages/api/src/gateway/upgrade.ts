import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Lease } from '../engine/Engine.ts'
import { type Client, forwardedHeaders } from './forward.ts'

/** Joins a client's socket with an app's WebSocket. Resolves when either side is gone. */
export async function joinSockets(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  lease: Lease,
  client: Client,
): Promise<void> {
  const headers = forwardedHeaders(req, client)
  for (const [name, value] of Object.entries(lease.headers)) headers.push(name, value)
  const app: Dispatcher.UpgradeData<null> = await lease.dispatcher.upgrade({
    path: req.url as string,
    method: 'GET',
    headers,
    protocol: 'websocket',
  })
  const lines = Object.entries(app.headers)
    .filter(([name]) => name !== 'connection' && name !== 'upgrade')
    .map(([name, value]) => `${name}: ${value}`)
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'connection: Upgrade',
      'upgrade: websocket',
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
