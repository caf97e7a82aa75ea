import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Lease } from '../engine/Engine.ts'
import { answeredHeaders, type Caller, type Client, forwardedHeaders } from './forward.ts'

/** How long one side may take to read what the other said before it left. */
const lingerMs = 5_000

/**
 * Joins a client's socket with an app's WebSocket; an app that refuses answers as it would any request. Resolves when
 * both sides are gone. Rejects when the app failed before it answered anything.
 */
export function joinSockets(
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  lease: Lease,
  client: Client | Caller,
  requestId: string,
): Promise<void> {
  const headers = forwardedHeaders(req, client, requestId)
  for (const [name, value] of Object.entries(lease.headers)) headers.push(name, value)
  return new Promise((resolve, reject) => {
    let control: Dispatcher.DispatchController | undefined
    let answered = false
    let left = socket.destroyed || socket.readableEnded
    const waiting = whileThere(socket, () => {
      left = true
      control?.abort(new Error('the client left'))
    })
    const answer = (
      controller: Dispatcher.DispatchController,
      status: string,
      ...own: string[]
    ): void => {
      answered = true
      waiting.end()
      const raw = answeredHeaders(controller.rawHeaders as Buffer[])
      const lines = raw.flatMap((name, i) => (i % 2 ? [] : [`${name}: ${raw[i + 1]}`]))
      socket.write(
        Buffer.from(
          [`HTTP/1.1 ${status}`, ...own, `x-request-id: ${requestId}`, ...lines, '', ''].join(
            '\r\n',
          ),
          'latin1',
        ),
      )
    }
    lease.dispatcher.dispatch(
      {
        origin: lease.origin,
        path: req.url as string,
        method: 'GET',
        headers,
        upgrade: 'websocket',
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      {
        onRequestStart(controller) {
          control = controller
          if (left) controller.abort(new Error('the client left'))
        },
        onRequestUpgrade(controller, _status, _headers, app) {
          lease.detach()
          answer(controller, '101 Switching Protocols', 'connection: Upgrade', 'upgrade: websocket')
          if (head.length > 0) app.write(head)
          void joined(socket as Socket, app as Socket).then(resolve)
        },
        onResponseStart(controller, status) {
          if (status < 200) return
          answer(controller, `${status} Refused`, 'connection: close')
          socket.on('drain', () => controller.resume())
          socket.on('close', () => controller.abort(new Error('the client left')))
        },
        onResponseData(controller, chunk) {
          if (!socket.write(chunk)) controller.pause()
        },
        onResponseEnd() {
          socket.end()
          resolve()
        },
        onResponseError(_controller, error) {
          waiting.end()
          if (!answered) return reject(error)
          socket.destroy()
          resolve()
        },
      },
    )
  })
}

/** Everything that one side sent before it left still reaches the other. */
function joined(client: Socket, app: Socket): Promise<void> {
  let open = 2
  return new Promise((resolve) => {
    for (const [side, other] of [
      [client, app],
      [app, client],
    ] as const) {
      side.on('error', () => other.destroy())
      side.on('close', () => {
        if (--open === 0) resolve()
        other.destroySoon()
        setTimeout(() => other.destroy(), lingerMs).unref()
      })
      side.pipe(other)
    }
    if (client.destroyed) app.destroy()
  })
}

/**
 * Calls `leave` when the client leaves while the app still thinks. Nobody reads the socket until then, and a socket
 * that is not read does not say that it ended.
 */
function whileThere(socket: Duplex, leave: () => void): { end(): void } {
  const look = () => {
    if (socket.readableLength === 0) socket.read(0)
  }
  socket.on('readable', look).once('end', leave).once('close', leave)
  return {
    end() {
      socket.off('readable', look).off('end', leave).off('close', leave)
    },
  }
}
