import { deflateRawSync } from 'node:zlib'
import type { Case } from './webSocketClient.ts'
import { closing, type Frame, frame, opcodes } from './webSocketFrames.ts'

const { continuation, text, binary, close, ping, pong } = opcodes

const frames = (...all: Frame[]): Case => ({ send: Buffer.concat(all.map(frame)) })
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')

const sizes = [0, 1, 124, 125, 126, 127, 128, 4_096, 65_534, 65_535, 65_536, 65_537, 1_048_576]

/** UTF-8 as RFC 3629 has it, and not. */
const utf8 = {
  'two bytes': 'c3a4',
  'three bytes': 'e282ac',
  'four bytes': 'f0908080',
  'the last code point': 'f48fbfbf',
  'a noncharacter': 'efbfbf',
  'a byte order mark': 'efbbbf 61',
  'a NUL': '00',
  'a lone continuation': '80',
  'two lone continuations': 'bf80',
  'an overlong slash of two': 'c0af',
  'an overlong slash of three': 'e080af',
  'an overlong slash of four': 'f08080af',
  'an overlong NUL': 'c080',
  'a surrogate': 'eda080',
  'a pair of surrogates': 'eda080 edb080',
  'beyond the last code point': 'f4908080',
  'five bytes': 'f888808080',
  'six bytes': 'fc8480808080',
  'FE and FF': 'fe ff',
  'a cut off character': 'e282',
  'a cut off character and more': 'e282 61',
}

const closeCodes = [
  0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
  1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65_535,
]

const deflated = (payload: string) => {
  const all = deflateRawSync(payload, { finishFlush: 2 })
  return all.subarray(0, all.length - 4)
}
const offer = (parameters = '') => ({
  'sec-websocket-extensions': `permessage-deflate${parameters}`,
})

function closedByServer(...commands: string[]): Case {
  const sent = commands.map((payload) => ({ opcode: text, payload }))
  return { ...frames(...sent), ending: 'wait' }
}

/** Each section of RFC 6455 (and RFC 7692) that a server can get wrong. */
export const cases: Record<string, Case> = {
  nothing: {},

  // 5.2 and 5.6: frames of every size, in every way to say the size.
  ...every(sizes, (size) => ({
    [`text of ${size}`]: frames({ opcode: text, payload: 'x'.repeat(size) }),
    [`bytes of ${size}`]: frames({ opcode: binary, payload: Buffer.alloc(size, 0xfe) }),
  })),
  'four million bytes': frames({ opcode: binary, payload: Buffer.alloc(4_000_000, 1) }),
  'a thousand messages at once': frames(
    ...Array.from({ length: 1_000 }, (_, i) => ({ opcode: text, payload: `message ${i}` })),
  ),
  ...every([1, 2, 7, 1_000], (pieces) => ({
    [`pieces of ${pieces}`]: {
      ...frames({ opcode: text, payload: 'ä'.repeat(1_500) }, { opcode: binary, payload: 'y' }),
      pieces,
    },
  })),
  'a length in two bytes where one is enough': frames({
    opcode: text,
    payload: 'hi',
    lengthBytes: 2,
  }),
  'a length in eight bytes where one is enough': frames({
    opcode: text,
    payload: 'hi',
    lengthBytes: 8,
  }),
  'a length with its highest bit': {
    ...frames({ opcode: text, claimed: 1n << 63n, lengthBytes: 8 }),
    ending: 'wait',
  },
  'a length beyond all limits': {
    ...frames({ opcode: text, claimed: 1n << 40n, lengthBytes: 8 }),
    ending: 'wait',
  },
  'a frame that is not masked': frames({ opcode: text, payload: 'hi', masked: false }),
  'a ping that is not masked': frames({ opcode: ping, payload: 'hi', masked: false }),

  // 5.2: bits and opcodes that mean nothing.
  ...every([1, 2, 3, 4, 5, 6, 7], (reserved) => ({
    [`reserved bits ${reserved} on text`]: frames({ opcode: text, payload: 'hi', reserved }),
    [`reserved bits ${reserved} on a close`]: frames({
      opcode: close,
      payload: closing(1000),
      reserved,
    }),
  })),
  // Not 4: workerd answers it with bytes that are never the same twice.
  ...every([1, 2, 3, 5, 6, 7], (reserved) => ({
    [`reserved bits ${reserved} on a ping`]: frames({ opcode: ping, reserved }),
  })),
  ...every([3, 4, 5, 6, 7, 11, 12, 13, 14, 15], (opcode) => ({
    [`opcode ${opcode}`]: frames({ opcode, payload: 'hi' }),
    [`opcode ${opcode} after a message`]: frames({ opcode: text, payload: 'hi' }, { opcode }),
  })),

  // 5.4: fragments.
  'two fragments': frames(
    { opcode: text, payload: 'hel', fin: false },
    { opcode: continuation, payload: 'lo' },
  ),
  'fragments that are empty': frames(
    { opcode: text, fin: false },
    { opcode: continuation, fin: false },
    { opcode: continuation },
  ),
  'bytes in a hundred fragments': frames(
    { opcode: binary, payload: 'a', fin: false },
    ...Array.from({ length: 98 }, () => ({ opcode: continuation, payload: 'b', fin: false })),
    { opcode: continuation, payload: 'c' },
  ),
  'a million bytes in fragments': frames(
    { opcode: binary, payload: Buffer.alloc(65_536, 1), fin: false },
    ...Array.from({ length: 15 }, () => ({
      opcode: continuation,
      payload: Buffer.alloc(65_536, 2),
      fin: false,
    })),
    { opcode: continuation },
  ),
  'a continuation of nothing': frames({ opcode: continuation, payload: 'hi' }),
  'a continuation of nothing that goes on': frames({
    opcode: continuation,
    payload: 'hi',
    fin: false,
  }),
  'a continuation of what is over': frames(
    { opcode: text, payload: 'hi' },
    { opcode: continuation, payload: 'more' },
  ),
  'a message within another': frames(
    { opcode: text, payload: 'one', fin: false },
    { opcode: text, payload: 'two' },
  ),
  'a ping between fragments': frames(
    { opcode: text, payload: 'hel', fin: false },
    { opcode: ping, payload: 'now' },
    { opcode: continuation, payload: 'lo' },
  ),
  'a close between fragments': frames(
    { opcode: text, payload: 'hel', fin: false },
    { opcode: close, payload: closing(1000) },
  ),
  'a character cut by fragments': frames(
    { opcode: text, payload: bytes('e282'), fin: false },
    { opcode: continuation, payload: bytes('ac') },
  ),

  // 5.5.2 and 5.5.3: ping and pong.
  ...every([0, 1, 125], (size) => ({
    [`a ping of ${size}`]: frames({ opcode: ping, payload: Buffer.alloc(size, 0xff) }),
    [`a pong of ${size} that nobody asked for`]: frames({
      opcode: pong,
      payload: 'x'.repeat(size),
    }),
  })),
  'ten pings': frames(...Array.from({ length: 10 }, (_, i) => ({ opcode: ping, payload: `${i}` }))),
  'a ping that is too long': frames({ opcode: ping, payload: 'x'.repeat(126) }),
  'a ping in fragments': frames(
    { opcode: ping, payload: 'a', fin: false },
    { opcode: continuation },
  ),
  'a pong that is too long': frames({ opcode: pong, payload: 'x'.repeat(126) }),

  // 5.5.1 and 7: the end.
  ...every(closeCodes, (code) => ({
    [`close ${code}`]: frames({ opcode: close, payload: closing(code) }),
    [`close ${code} with a reason`]: frames({ opcode: close, payload: closing(code, 'bye') }),
    [`the server closes ${code}`]: closedByServer(`close:[${code}, "bye"]`),
  })),
  'close without a code': frames({ opcode: close }),
  'close with half a code': frames({ opcode: close, payload: Buffer.from([3]) }),
  'close with the longest reason': frames({
    opcode: close,
    payload: closing(1000, 'x'.repeat(123)),
  }),
  'close with too long a reason': frames({
    opcode: close,
    payload: closing(1000, 'x'.repeat(124)),
  }),
  'close with a reason that is not UTF-8': frames({
    opcode: close,
    payload: closing(1000, bytes('c0af')),
  }),
  'close in fragments': frames({ opcode: close, payload: closing(1000), fin: false }),
  'close twice': frames({ opcode: close, payload: closing(1000) }, { opcode: close }),
  'a message after close': frames(
    { opcode: close, payload: closing(1000) },
    { opcode: text, payload: 'more' },
  ),
  'the server closes without a code': closedByServer('close:[]'),
  'the server closes with the longest reason': closedByServer(`close:[4000, "${'x'.repeat(123)}"]`),
  'the server closes first, the client answers': frames(
    { opcode: text, payload: 'close:[4000, "bye"]' },
    { opcode: close, payload: closing(4000, 'bye') },
  ),
  'the server sends, then closes': closedByServer('send:300000', 'close:[1000, "done"]'),
  'the server throws': frames({ opcode: text, payload: 'throw:oh' }),
  'half of it may stay open': {
    ...frames({ opcode: close, payload: closing(1000) }),
    query: 'half',
    ending: 'wait',
  },
  'the client ends without a word': { ending: 'end' },
  'the client ends within a frame': {
    send: frame({ opcode: text, payload: 'hello' }).subarray(0, 8),
    ending: 'end',
  },
  'the client ends after a message': { ...frames({ opcode: text, payload: 'hi' }), ending: 'end' },
  'the client is gone': { ...frames({ opcode: text, payload: 'hi' }), ending: 'destroy' },

  // 8.1: text is UTF-8.
  ...Object.fromEntries(
    Object.entries(utf8).flatMap(([name, hex]) => {
      const payload = bytes(hex)
      const [head, tail] = [payload.subarray(0, 1), payload.subarray(1)]
      return [
        [
          `text with ${name}`,
          frames({ opcode: text, payload: Buffer.concat([Buffer.from('a'), payload]) }),
        ],
        [
          `fragments with ${name}`,
          frames(
            { opcode: text, payload: head, fin: false },
            { opcode: continuation, payload: tail },
          ),
        ],
        [`bytes with ${name}`, frames({ opcode: binary, payload })],
      ]
    }),
  ),

  // 4: the handshake.
  'one protocol': { headers: { 'sec-websocket-protocol': 'chat' } },
  'several protocols': { headers: { 'sec-websocket-protocol': 'chat, superchat' } },
  'a header in other cases': {
    headers: { upgrade: 'WebSocket', connection: 'keep-alive, UPGRADE' },
  },
  'no key': { headers: { 'sec-websocket-key': null } },
  'a short key': { headers: { 'sec-websocket-key': 'short' } },
  'no version': { headers: { 'sec-websocket-version': null } },
  'an old version': { headers: { 'sec-websocket-version': '8' } },
  'a refusal by the app': { query: 'refuse' },
  'an origin': { headers: { origin: 'https://elsewhere.example' } },
  'a message along with the handshake': frames({ opcode: text, payload: 'early' }),

  // RFC 7692: compression, where it is offered.
  'an unknown extension': { headers: { 'sec-websocket-extensions': 'x-unknown; a=1' } },
  ...every(
    [
      '',
      '; client_max_window_bits',
      '; server_no_context_takeover',
      '; client_no_context_takeover',
    ],
    (parameters) => ({
      [`permessage-deflate${parameters}`]: {
        ...frames({ opcode: text, payload: deflated('hello hello hello'), reserved: 4 }),
        headers: offer(parameters),
      },
    }),
  ),
  'compression with a message that is not compressed': {
    ...frames({ opcode: text, payload: 'plain' }),
    headers: offer(),
  },
  'compression of a long message': {
    ...frames({ opcode: text, payload: deflated('ä long line '.repeat(20_000)), reserved: 4 }),
    headers: offer(),
  },
  'compression that is broken': {
    ...frames({ opcode: text, payload: bytes('ffffffff'), reserved: 4 }),
    headers: offer(),
  },
  'compression on a continuation': {
    ...frames(
      { opcode: text, payload: deflated('hello').subarray(0, 3), fin: false, reserved: 4 },
      { opcode: continuation, payload: deflated('hello').subarray(3), reserved: 4 },
    ),
    headers: offer(),
  },
  'compression in fragments': {
    ...frames(
      { opcode: text, payload: deflated('hello').subarray(0, 3), fin: false, reserved: 4 },
      { opcode: continuation, payload: deflated('hello').subarray(3) },
    ),
    headers: offer(),
  },
}

function every<Item>(
  items: Item[],
  make: (item: Item) => Record<string, Case>,
): Record<string, Case> {
  return Object.assign({}, ...items.map(make))
}
