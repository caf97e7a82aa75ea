import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ClientName, isDocumentUrl, isRedirectUri, isRegistered } from './OAuthClient.ts'

const client = (...redirectUris: string[]) => ({
  clientId: 'cli_1',
  name: 'x',
  host: null,
  redirectUris,
})
const registered = [
  'https://app.example/callback?from=jack',
  'http://127.0.0.1/callback',
  'http://localhost:4711/a/b',
  'http://[::1]/callback',
  'x-app://callback/done',
]

/** Addresses that look like one of these: cut, mixed, and with pieces of the trade put in. */
const near = (addresses: readonly string[]) =>
  fc
    .tuple(
      fc.constantFrom(...addresses),
      fc.array(
        fc.tuple(
          fc.nat({ max: 40 }),
          fc.nat({ max: 8 }),
          fc.oneof(
            fc.constantFrom('@', ':', '/', '\\', '#', '?', '.', '..', '%', '%2f', '%40', ' ', '\t'),
            fc.constantFrom('evil.example', 'evil.example/', ':80', ':65535', '[', ']', '\u0000'),
            fc.constantFrom('HTTP', 'https', 'javascript:', 'data:', '。', '\u00ad', '0x7f.1', '&'),
            fc.string({ maxLength: 4 }),
          ),
        ),
        { maxLength: 3 },
      ),
    )
    .map(([text, edits]) =>
      edits.reduce((it, [at, cut, put]) => it.slice(0, at) + put + it.slice(at + cut), text),
    )

test('whatever is asked, a browser goes only to an address that was registered, but for its port on loopback', () => {
  const it = client(...registered)
  fc.assert(
    fc.property(near(registered), (asked) => {
      if (!isRegistered(it, asked) || registered.includes(asked)) return
      const gone = new URL(asked)
      expect(gone.protocol).toBe('http:')
      expect(['127.0.0.1', 'localhost', '[::1]']).toContain(gone.hostname)
      gone.port = ''
      const known = registered.map((uri) => {
        const url = new URL(uri)
        if (url.protocol === 'http:') url.port = ''
        return url.href
      })
      expect(known).toContain(gone.href)
    }),
    { numRuns: 5_000 },
  )
})

test('no scheme is registered that a browser runs, however it is written', () => {
  const scheme = fc.constantFrom('javascript', 'data', 'vbscript', 'file', 'blob', 'about', 'ms-x')
  const mixed = fc
    .tuple(scheme, fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }))
    .map(([word, up]) => [...word].map((c, i) => (up[i] ? c.toUpperCase() : c)).join(''))
  fc.assert(
    fc.property(
      fc.constantFrom('', ' ', '\t', '\n', '\u0000', '\u00a0', '\ufeff'),
      mixed,
      fc.constantFrom(':', '\t:', ':\n', '://', '://app.example/'),
      fc.string(),
      (before, word, colon, rest) => {
        expect(isRedirectUri(`${before}${word}${colon}${rest}`)).toBe(false)
      },
    ),
  )
})

test('names of clients are one line of text, and turn nothing around', () => {
  const character = fc.oneof(
    fc.nat({ max: 0x10_ff_ff }).map((it) => String.fromCodePoint(it)),
    fc.constantFrom('a', ' ', '\u202e', '\u2066', '\u2028', '\u0000', '\ud83d', '\udc1a', '😀'),
  )
  fc.assert(
    fc.property(fc.array(character, { maxLength: 100 }), (characters) => {
      const name = ClientName.parse(characters.join(''))
      expect([...name].length).toBeLessThanOrEqual(60)
      expect(name).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
    }),
  )
  expect(ClientName.parse(' a\u202e\nb\u0000\u200bc ')).toBe('a b c')
})

test('an id that is an address of a document has one spelling', () => {
  fc.assert(
    fc.property(near(['https://app.example/a/client.json']), (url) => {
      if (!isDocumentUrl(url)) return
      expect(new URL(url).href).toBe(url)
      expect(new URL(url).protocol).toBe('https:')
    }),
  )
  expect(isDocumentUrl('https://app.example/client.json')).toBe(true)
})
