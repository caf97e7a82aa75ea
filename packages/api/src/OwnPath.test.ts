import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ownPath } from './OwnPath.ts'

test('a path of ours stays what it is, with its query', () => {
  expect(ownPath('/oauth/authorize?client_id=a&state=%2F')).toBe(
    '/oauth/authorize?client_id=a&state=%2F',
  )
  expect(ownPath(undefined, '/sign-in')).toBe('/sign-in')
})

test.each([
  '//evil.example',
  '///evil.example',
  '/\\evil.example',
  '/\\/evil.example',
  '/.//evil.example',
  '/..//evil.example',
  '/%2e//evil.example',
  '/a/..//evil.example',
  '/\t/evil.example',
  '/\n/evil.example',
  ' /ours',
  'https://evil.example',
  'https:evil.example',
  'javascript:alert(1)',
  'data:text/html,x',
  'evil.example',
  '@evil.example',
  '',
  `/${'a'.repeat(4_000)}`,
])('%j leads nowhere else', (next) => {
  expect(ownPath(next, '/here')).toBe('/here')
})

test('whatever is asked for, a browser stays on this server', () => {
  const piece = fc.constantFrom(
    '/',
    '\\',
    '.',
    '..',
    '%2e',
    '%5c',
    '%2f',
    '@',
    ':',
    '?',
    '#',
    '\t',
    'a',
    'https:',
    'evil.example',
  )
  const next = fc.oneof(
    fc.string(),
    fc.webUrl(),
    fc.array(piece, { maxLength: 8 }).map((it) => `/${it.join('')}`),
  )
  fc.assert(
    fc.property(next, (it) => {
      const url = new URL(ownPath(it), 'https://jack.example')
      expect(url.origin).toBe('https://jack.example')
      // Said once more, it is the same.
      expect(ownPath(ownPath(it))).toBe(ownPath(it))
    }),
    { numRuns: 3_000 },
  )
})
