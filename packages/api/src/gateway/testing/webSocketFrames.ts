import { createHash } from 'node:crypto'

/** What a frame says (RFC 6455, 5.2), right or wrong. */
export interface Frame {
  opcode: number
  payload?: Uint8Array | string
  /** Default true. */
  fin?: boolean
  /** The three reserved bits as a number; default 0. */
  reserved?: number
  /** Default true: clients must mask. */
  masked?: boolean
  /** How many bytes say the length; default the fewest. */
  lengthBytes?: 1 | 2 | 8
  /** A length that is not the payload's. */
  claimed?: bigint
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/** The bytes of a frame as a client sends it. */
export function frame({ opcode, payload = '', fin = true, ...odd }: Frame): Buffer {
  const body = Buffer.from(payload as string)
  const length = odd.claimed ?? BigInt(body.length)
  const lengthBytes = odd.lengthBytes ?? (length < 126n ? 1 : length < 65_536n ? 2 : 8)
  const head = Buffer.alloc(1 + (lengthBytes === 1 ? 1 : 1 + lengthBytes))
  head[0] = (fin ? 0x80 : 0) | ((odd.reserved ?? 0) << 4) | opcode
  const isMasked = odd.masked ?? true
  const bit = isMasked ? 0x80 : 0
  if (lengthBytes === 1) head[1] = bit | Number(length)
  else if (lengthBytes === 2) {
    head[1] = bit | 126
    head.writeUInt16BE(Number(length), 2)
  } else {
    head[1] = bit | 127
    head.writeBigUInt64BE(length, 2)
  }
  if (!isMasked) return Buffer.concat([head, body])
  return Buffer.concat([head, mask, body.map((byte, i) => byte ^ (mask[i % 4] as number))])
}

/** The payload of a close frame. */
export function closing(code: number, reason: string | Uint8Array = ''): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(code)
  return Buffer.concat([bytes, Buffer.from(reason as string)])
}

/** Frames that a server sent, in words that can be compared; a long payload as its digest. */
export class Received {
  readonly frames: string[] = []
  #bytes = Buffer.alloc(0)

  add(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    for (let taken = this.#next(); taken > 0; taken = this.#next())
      this.#bytes = this.#bytes.subarray(taken)
  }

  /** Takes one frame and answers its length in bytes; 0 when it is not all there. */
  #next(): number {
    const bytes = this.#bytes
    if (bytes.length < 2) return 0
    const [first = 0, second = 0] = bytes
    const short = second & 127
    const start = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length < start) return 0
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    if (bytes.length < start + length) return 0
    const payload = bytes.subarray(start, start + length)
    const digest = createHash('sha256').update(payload).digest('hex').slice(0, 16)
    const told = length <= 130 ? payload.toString('hex') : digest
    this.frames.push(`${first.toString(16)} ${second >> 7} ${length} ${told}`)
    return start + length
  }
}
