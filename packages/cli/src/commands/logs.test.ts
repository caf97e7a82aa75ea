import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lineOf } from './logs.ts'

const line = {
  at: '2026-11-21T17:20:58.123Z',
  level: 'error',
  message: 'text',
  request_id: null,
  kind: 'console',
} as const

test('a line says when, how severe, what, and of which request', () => {
  expect(lineOf(line)).toBe('2026-11-21 17:20:58.123 error text')
  expect(lineOf({ ...line, level: 'log', request_id: 'req_1' })).toBe(
    '2026-11-21 17:20:58.123 log   text  req_1',
  )
  expect(lineOf({ ...line, level: 'warn', kind: 'notice' })).toBe(
    '2026-11-21 17:20:58.123 jack  text',
  )
})

test('a stack is indented', () => {
  const message = 'Uncaught Error: x\n    at src/index.ts:12:5'
  expect(lineOf({ ...line, message, request_id: 'req_1' })).toBe(
    '2026-11-21 17:20:58.123 error Uncaught Error: x  req_1\n        at src/index.ts:12:5',
  )
})

test.each([
  [
    'a second line',
    'a\n2026-11-21 17:20:58.123 jack  killed',
    'a\n    2026-11-21 17:20:58.123 jack  killed',
  ],
  ['colours and cursors', '\u001b[31mred\u001b[2J\u009b1A\u001b]0;title\u0007', 'red'],
  ['a return of the carriage', 'real\rfake\b\b', 'realfake'],
  ['lines that end in other ways', 'a\u2028b\u2029c\u0085d\u000be\u000cf', 'abcdef'],
  ['text that runs backwards', '\u202eevil\u2066', 'evil'],
])('%s of an app cannot forge what the terminal shows', (_, message, shown) => {
  expect(lineOf({ ...line, message })).toBe(`2026-11-21 17:20:58.123 error ${shown}`)
})

test('only the first line of an entry begins at the left edge, and nothing steers the terminal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (message, id) => {
      const [first, ...rest] = lineOf({ ...line, message, request_id: id }).split('\n')
      expect(first?.startsWith('2026-11-21 17:20:58.123 error ')).toBe(true)
      for (const it of rest) expect(it.startsWith('    ')).toBe(true)
      expect(stripVTControlCharacters([first, ...rest].join(''))).not.toMatch(/(?!\t)\p{Cc}/u)
    }),
  )
})
