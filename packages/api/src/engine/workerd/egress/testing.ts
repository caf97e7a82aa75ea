import { createHash } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo, Server as NetServer } from 'node:net'
import type { Duplex } from 'node:stream'

/** Makes a server listen on the loopback. Its port. */
export async function listenOn(server: NetServer, port = 0, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, host, resolve))
  return (server.address() as AddressInfo).port
}

/** A name server that answers what it is told to; each address is asked for anew. Its address with port. */
export async function nameServer(
  answer: (name: string) => string[],
): Promise<{ at: string; close(): void }> {
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const labels: string[] = []
    let at = 12
    for (let size = query[at] as number; size > 0; size = query[at] as number) {
      labels.push(query.toString('latin1', at + 1, at + 1 + size))
      at += size + 1
    }
    const question = query.subarray(12, at + 5)
    const isA = query.readUInt16BE(at + 1) === 1
    const found = isA ? answer(labels.join('.').toLowerCase()) : []
    const records = found.map((address) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]),
    )
    const head = Buffer.from(query.subarray(0, 12))
    head.writeUInt16BE(found.length > 0 || !isA ? 0x8180 : 0x8183, 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(found.length, 6)
    head.fill(0, 8)
    socket.send(Buffer.concat([head, question, ...records]), from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return { at: `127.0.0.1:${socket.address().port}`, close: () => socket.close() }
}

/** Lets a server send back each message of a WebSocket; messages are short. */
export function echoWebSockets(server: Server): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    const accept = createHash('sha1')
      .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.on('error', () => {})
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    socket.on('data', (frame: Buffer) => {
      const [first = 0, second = 0] = frame
      if ((first & 15) === 8) return socket.end()
      const mask = frame.subarray(2, 6)
      const text = frame.subarray(6, 6 + (second & 127)).map((byte, i) => byte ^ (mask[i % 4] ?? 0))
      socket.write(Buffer.concat([Buffer.from([first, text.length]), text]))
    })
  })
}

/** The processes through which apps of this process's engines leave. */
export function egressPids(): number[] {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'latin1')
  return children
    .trim()
    .split(' ')
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('egress/process.ts')
      } catch {
        return false
      }
    })
}
