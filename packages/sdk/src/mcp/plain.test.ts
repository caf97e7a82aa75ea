import fc from 'fast-check'
import { expect, test } from 'vitest'
import { plain, plainJson, plainly } from './plain.ts'

const steering =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u

test('nothing that is printed steers a terminal or hides from people', () => {
  const parts = [
    '\u001b',
    '\u009b',
    '[',
    ']',
    '0;',
    'm',
    '\u0007',
    '\u009c',
    '\\',
    '\u202e',
    '\u{e0041}',
    '\r',
    '\n',
  ]
  const part = fc.oneof(
    fc.constantFrom(...parts),
    fc.nat(0x10ffff).map((it) => String.fromCodePoint(it)),
  )
  const nasty = fc.array(part, { maxLength: 40 }).map((it) => it.join(''))
  fc.assert(fc.property(nasty, (text) => !steering.test(plain(text))))
  fc.assert(
    fc.property(nasty, (text) => {
      expect(plainJson({ [text]: [text] })).not.toMatch(steering)
      expect(JSON.parse(plainJson({ [text]: [text] }))).toEqual({ [text]: [text] })
    }),
  )
})

test('escape sequences go whole, and what is around them stays', () => {
  expect(plain('a\u001b[31;1mb\u001b[0mc')).toBe('abc')
  expect(plain('a\u001b]0;title\u0007b\u001b]8;;http://x\u001b\\c')).toBe('abc')
  expect(plain('lines\n\tand äöü 日本 stay')).toBe('lines\n\tand äöü 日本 stay')
  // One without an end does not take the rest of the line along.
  expect(plain('a\u001b]0;rest')).toBe('a0;rest')
  expect(plainly({ 'a\u0007': ['\u202eb', 1, null] })).toEqual({ a: ['b', 1, null] })
})

test('a text that was made to take long does not', () => {
  for (const part of ['\u009d', '\u001b]', '\u001b', '\u009b1;', '\u001b[1;', '\u0090x', '\u001b '])
    expect(plain(part.repeat(1_000_000))).not.toMatch(steering)
})
