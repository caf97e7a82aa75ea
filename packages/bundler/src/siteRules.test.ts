import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseHeaders, parseRedirects, ruleLimits } from './siteRules.ts'

test('_headers: paths with what to set and what to take away', () => {
  const { rules, warnings } = parseHeaders(
    [
      '# a comment',
      '/*',
      '  X-Frame-Options: DENY',
      '\tSet-Cookie: a=1; Path=/',
      '',
      'https://:sub.Example.com/static/*',
      '  ! ETag',
      '  X-Where: :sub and :splat',
      '/über',
      '  x: 1',
    ].join('\r\n'),
  )
  expect(warnings).toEqual([])
  expect(rules).toEqual([
    {
      path: '/*',
      unset: [],
      set: [
        ['x-frame-options', 'DENY'],
        ['set-cookie', 'a=1; Path=/'],
      ],
    },
    {
      host: ':sub.example.com',
      path: '/static/*',
      unset: ['etag'],
      set: [['x-where', ':sub and :splat']],
    },
    { path: '/%C3%BCber', unset: [], set: [['x', '1']] },
  ])
})

test('_headers: what cannot be followed is left out and told with its line', () => {
  const { rules, warnings } = parseHeaders(
    [
      '  X-Early: 1',
      '/a',
      '  Content-Length: 5',
      '  ! Transfer-Encoding',
      '  Location: /x',
      '  NoColon',
      '  Bad Name: x',
      '  X-Empty:',
      '  X-Emoji: 🙂',
      `  X-Long: ${'a'.repeat(2_000)}`,
      '/two/*/x/*',
      '/:a/:a',
      '/:a*',
      'https://example.com:8080/x',
      '  X-Lost: 1',
    ].join('\n'),
  )
  expect(rules).toEqual([])
  expect(warnings.map((it) => it.line)).toEqual([1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
})

test('_redirects: paths, patterns, statuses and addresses of other sites', () => {
  const { rules, warnings } = parseRedirects(
    [
      '/home / 301 # the old one',
      '/def target',
      '/abs https://Example.com/a?b#c 308',
      '//x',
      '/proto //example.com/x',
      '/blog/* /news/:splat 200',
      '/p/:code/:name /q?c=:code&n=:name 303',
      '/frag#ment /plain',
    ].join('\n'),
  )
  expect(rules).toEqual([
    { from: '/home', to: '/', status: 301 },
    { from: '/def', to: '/target', status: 302 },
    { from: '/abs', to: 'https://Example.com/a?b#c', status: 308 },
    { from: '/proto', to: 'https://example.com/x', status: 302 },
    { from: '/blog/*', to: '/news/:splat', status: 200 },
    { from: '/p/:code/:name', to: '/q?c=:code&n=:name', status: 303 },
    { from: '/frag', to: '/plain', status: 302 },
  ])
  expect(warnings.map((it) => it.line)).toEqual([4])
})

test('_redirects: what would loop, leave the site unasked or mean nothing is left out', () => {
  const lines = [
    '/x /y 404',
    '/x /y 301 more',
    '/pr https://other.example/x 200',
    'https://other.example/x /y',
    '/open/* https://:splat/',
    '/open/* //:splat',
    '/js javascript:alert(1)',
    '/* /index.html 200',
    '/* /maintenance',
    '/dup /first',
    '/dup /second',
    `/long /${'a'.repeat(1_000)}`,
    '/*/* /x',
  ]
  const { rules, warnings } = parseRedirects(lines.join('\n'))
  expect(rules).toEqual([{ from: '/dup', to: '/first', status: 302 }])
  expect(warnings.map((it) => it.line)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13])
  expect(warnings[7]?.hint).toContain('single-page-application')
})

test('both files are bounded', () => {
  const many = (n: number, of: (i: number) => string) => Array.from({ length: n }, (_, i) => of(i))
  const redirects = parseRedirects(
    [...many(2_001, (i) => `/s${i} /t`), ...many(101, (i) => `/d${i}/* /t`)].join('\n'),
  )
  expect(redirects.rules.length).toBe(ruleLimits.staticRedirects + ruleLimits.dynamicRedirects)
  expect(redirects.warnings).toEqual([
    { file: '_redirects', text: expect.stringContaining('2 redirects are over the limit') },
  ])
  const headers = parseHeaders(many(101, (i) => `/${i}\n  x: 1`).join('\n'))
  expect(headers.rules.length).toBe(100)
  expect(headers.warnings.length).toBe(1)
})

test('no text breaks a parser or holds it up', () => {
  const piece = fc.constantFrom(
    '/',
    '*',
    ':a',
    ':splat',
    ' ',
    '\t',
    '#',
    '!',
    ':',
    'https://',
    '//',
    '\\',
    '%2F',
    '\0',
    'é',
    '🙂',
    '\ud800',
    '\n',
    'x',
    '301',
    '200',
    '?',
    '"',
  )
  fc.assert(
    fc.property(fc.string({ unit: piece, maxLength: 80 }), (text) => {
      for (const { from, to } of parseRedirects(text).rules) {
        expect(from).toMatch(/^\/[\x21-\x7e]*$/)
        expect(to).toMatch(/^(?:https?:\/\/[a-z0-9.-]+|\/)[\x21-\x7e]*$/i)
      }
      for (const { set } of parseHeaders(text).rules)
        for (const [name, value] of set) expect(() => new Headers([[name, value]])).not.toThrow()
    }),
    { numRuns: 3_000 },
  )
  const long = 'a '.repeat(500_000)
  expect(parseRedirects(long).rules).toEqual([])
  expect(parseHeaders(long).rules).toEqual([])
})
