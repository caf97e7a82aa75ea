import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { frame, opcodes, Received } from './webSocketFrames.ts'

/** A server that speaks HTTP on this machine, and by which name. */
export interface Target {
  port: number
  host: string
}

export interface Case {
  /** What is sent after the handshake. */
  send?: Buffer
  /** In pieces of so many bytes; default all at once. */
  pieces?: number
  /** What the client does in the end; default asks whether the server still answers. `wait` is for its close. */
  ending?: 'ask' | 'end' | 'destroy' | 'wait'
  query?: string
  /** Headers of the handshake in place of the usual ones; null leaves one out. */
  headers?: Record<string, string | null>
  method?: string
  version?: string
}

/** All that a client can tell of a connection, and what the server saw of it. */
export interface Result {
  status: string
  /** Of the handshake's answer, those that mean something for the connection. */
  headers: string[]
  frames: string[]
  /** Apart, since it may overtake what the worker is still busy with; the last, since one may answer many pings. */
  pong: string | undefined
  /** Of the connection, once it is a WebSocket. */
  end: 'closed' | 'open' | 'refused'
  events: unknown[]
}

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = createHash('sha1')
  .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
  .digest('base64')
const question = 'still there?'
const answer = frame({ opcode: opcodes.text, payload: question, masked: false })
const answerText = (() => {
  const received = new Received()
  received.add(answer)
  return received.frames[0]
})()

/** Longer than any answer takes, and how long a case takes whose server says nothing. */
const patienceMs = 4_000

/** Goes through one case against one server. */
export async function converse(target: Target, name: string, it: Case): Promise<Result> {
  const path = `/${encodeURIComponent(name)}`
  const socket = connect(target.port, '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise<'closed'>((resolve) => socket.once('close', () => resolve('closed')))
  const told = conversation(socket, it.ending === 'wait')
  socket.write(handshake(target, path, it))
  const { status, headers } = await Promise.race([told.head, closed.then(() => noHead)])
  if (status === '101') await play(socket, it)
  const end = await Promise.race([
    closed,
    told.answered.then(() => 'open' as const),
    sleep(patienceMs, 'open' as const),
  ])
  socket.destroy()
  const isPong = (it: string) => it.startsWith('8a ')
  return {
    status,
    headers,
    frames: told.received.frames.filter((it) => !isPong(it)),
    pong: told.received.frames.findLast(isPong),
    end: status === '101' ? end : 'refused',
    events: status === '101' ? await seen(target, path) : [],
  }
}

const noHead = { status: 'none', headers: [] as string[] }

function handshake(target: Target, path: string, it: Case): string {
  const headers: Record<string, string | null> = {
    host: target.host,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key,
    ...it.headers,
  }
  return [
    `${it.method ?? 'GET'} ${path}?${it.query ?? ''} HTTP/${it.version ?? '1.1'}`,
    ...Object.entries(headers).flatMap(([name, value]) =>
      value === null ? [] : `${name}: ${value}`,
    ),
    '\r\n',
  ].join('\r\n')
}

/** Reads the answer's head, then frames, up to an answer or, when nothing was asked, to the server's close. */
function conversation(socket: Socket, waits: boolean) {
  const received = new Received()
  let before: Buffer | undefined = Buffer.alloc(0)
  let onHead: (head: { status: string; headers: string[] }) => void
  let onAnswer: () => void
  const head = new Promise<typeof noHead>((resolve) => {
    onHead = resolve
  })
  const answered = new Promise<void>((resolve) => {
    onAnswer = resolve
  })
  socket.on('data', (bytes: Buffer) => {
    let rest = bytes
    if (before) {
      before = Buffer.concat([before, bytes])
      const blank = before.indexOf('\r\n\r\n')
      if (blank < 0) return
      const [line = '', ...lines] = before.subarray(0, blank).toString('latin1').split('\r\n')
      rest = before.subarray(blank + 4)
      before = undefined
      const kept = lines
        .map((it) => it.replace(accept, 'right'))
        .filter((it) => /^(?:sec-websocket-|connection: upgrade|upgrade:)/i.test(it))
        .map((it) => it.toLowerCase())
      onHead({ status: line.split(' ')[1] ?? '', headers: kept.sort() })
      if (!line.includes(' 101 ')) return
    }
    received.add(rest)
    if (received.frames.some((it) => it === answerText || (waits && it.startsWith('88'))))
      onAnswer()
  })
  return { received, head, answered }
}

async function play(socket: Socket, { send = Buffer.alloc(0), pieces, ending = 'ask' }: Case) {
  const ask = frame({ opcode: opcodes.text, payload: question })
  const bytes = ending === 'ask' ? Buffer.concat([send, ask]) : send
  for (let at = 0; at < bytes.length; at += pieces ?? bytes.length) {
    socket.write(bytes.subarray(at, at + (pieces ?? bytes.length)))
    if (pieces !== undefined) await new Promise(setImmediate)
  }
  if (ending === 'end') socket.end()
  if (ending === 'destroy') await sleep(100).then(() => socket.resetAndDestroy())
}

/** What the worker saw; waits for the end of the connection as the worker hears of it. */
async function seen(target: Target, path: string): Promise<unknown[]> {
  for (const deadline = Date.now() + patienceMs; ; await sleep(25)) {
    const events = (await get(target, path)) as [string][]
    const isOver = events.some(([kind]) => kind === 'close' || kind === 'error')
    if (isOver || Date.now() > deadline) return events
  }
}

async function get({ port, host }: Target, path: string): Promise<unknown> {
  const { body } = await request(`http://127.0.0.1:${port}${path}`, { headers: { host } })
  return body.json()
}
