import { parseHeaders, parseRedirects } from '@jackcloud/bundler'
import { AssetSettings } from '@jackcloud/sdk/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  answerAsset,
  applyHeaderRules,
  findAsset,
  indexAssets,
  missingAsset,
  workerFirst,
} from './Assets.ts'

const site = (paths: string[], settings: Partial<AssetSettings> = {}) =>
  indexAssets({
    files: paths.map((path) => ({ path, sha256: '0'.repeat(64), size_bytes: 1 })),
    not_found: 'none',
    html: 'auto-trailing-slash',
    worker_first: false,
    ...settings,
  })

const lead = (index: ReturnType<typeof site>, path: string) => {
  const found = findAsset(index, path)
  if (found.kind === 'file') return found.file.path
  return found.kind === 'redirect' ? `-> ${found.to}` : null
}

const pages = site([
  '/index.html',
  '/about.html',
  '/blog/index.html',
  '/app.js',
  '/a b.txt',
  '/ümlaut.html',
])

test('a page has one address, and its other names lead there', () => {
  expect(lead(pages, '/')).toBe('/index.html')
  expect(lead(pages, '/index.html')).toBe('-> /')
  expect(lead(pages, '/about')).toBe('/about.html')
  expect(lead(pages, '/about.html')).toBe('-> /about')
  expect(lead(pages, '/about/')).toBe('-> /about')
  expect(lead(pages, '/blog/')).toBe('/blog/index.html')
  expect(lead(pages, '/blog')).toBe('-> /blog/')
  expect(lead(pages, '/blog/index.html')).toBe('-> /blog/')
  expect(lead(pages, '/app.js')).toBe('/app.js')
  expect(lead(pages, '/nothing')).toBe(null)
})

test('the other rules for trailing slashes hold', () => {
  const paths = ['/about.html', '/blog/index.html']
  const force = site(paths, { html: 'force-trailing-slash' })
  expect(lead(force, '/about')).toBe('-> /about/')
  expect(lead(force, '/about/')).toBe('/about.html')
  const drop = site(paths, { html: 'drop-trailing-slash' })
  expect(lead(drop, '/blog/')).toBe('-> /blog')
  expect(lead(drop, '/blog')).toBe('/blog/index.html')
  const none = site(paths, { html: 'none' })
  expect(lead(none, '/about')).toBe(null)
  expect(lead(none, '/about.html')).toBe('/about.html')
})

test('percent-encoded paths find their files', () => {
  expect(lead(pages, '/a%20b.txt')).toBe('/a b.txt')
  expect(lead(pages, '/%C3%BCmlaut')).toBe('/ümlaut.html')
  expect(lead(pages, '/%E0%A4%A')).toBe(null)
  expect(lead(pages, '/app.js%00')).toBe(null)
})

test('a single-page app answers what is missing, a 404 page from the nearest folder', () => {
  const spa = site(['/index.html'], { not_found: 'single-page-application' })
  expect(missingAsset(spa, '/deep/link')).toMatchObject({
    status: 200,
    file: { path: '/index.html' },
  })
  const custom = site(['/404.html', '/docs/404.html'], { not_found: '404-page' })
  expect(missingAsset(custom, '/docs/x/y')).toMatchObject({
    status: 404,
    file: { path: '/docs/404.html' },
  })
  expect(missingAsset(custom, '/x')).toMatchObject({ status: 404, file: { path: '/404.html' } })
  // Thousands of folders in a path are not looked into one by one.
  const nowhere = { ...custom, byPath: { ...custom.byPath, get: () => expect.unreachable() } }
  expect(missingAsset(nowhere, '/'.repeat(16_000))).toMatchObject({ file: { path: '/404.html' } })
  expect(missingAsset(site([]), '/x')).toEqual({ kind: 'none' })
})

test('patterns send a path to the worker first', () => {
  const api = site([], { worker_first: ['/api/*', '!/api/docs/*'] })
  expect(workerFirst(api, '/api/users')).toBe(true)
  expect(workerFirst(api, '/api/docs/index.html')).toBe(false)
  expect(workerFirst(api, '/')).toBe(false)
})

test('a redirect never leaves the host, and a proper address never redirects again', () => {
  const html = fc.constantFrom(
    'auto-trailing-slash',
    'force-trailing-slash',
    'drop-trailing-slash',
  ) as fc.Arbitrary<AssetSettings['html']>
  const path = fc.array(fc.constantFrom('a', 'b', 'index.html', 'a.html', '', '%2F', '..', '%5c'), {
    maxLength: 5,
  })
  fc.assert(
    fc.property(fc.array(path, { maxLength: 6 }), path, html, (files, asked, rule) => {
      const index = site(
        files.map((it) => `/${it.join('/')}`),
        { html: rule },
      )
      let at = `/${asked.join('/')}`
      for (let hops = 0; ; hops++) {
        const found = findAsset(index, at)
        if (found.kind !== 'redirect') break
        expect(hops).toBeLessThan(3)
        expect(new URL(found.to, 'http://here.example/').host).toBe('here.example')
        at = new URL(found.to, 'http://here.example/').pathname
      }
    }),
  )
})

const redirects = (text: string, files: string[] = []) => {
  const index = site(files, { redirects: parseRedirects(text).rules })
  return (path: string) => {
    const answer = answerAsset(index, path)
    if (answer.kind === 'file') return answer.file.path
    return answer.kind === 'redirect' ? `${answer.status} ${answer.to}` : answer.kind
  }
}

test('a redirect comes before the files, and the first that matches counts', () => {
  const lead = redirects(
    `/file.txt /elsewhere 301
     /movies/:title /media/:title
     /late/* /l/:splat 303
     /late/x /never
     /products/:code/:name /q?code=:code&name=:name
     /ext/* https://blog.example/:splat
     /rw /about 200
     /page/* /about.html 200
     /lost /nothing 200
     /a /b 200
     /b /c 200`,
    ['/file.txt', '/about.html', '/b.html', '/c.html'],
  )
  expect(lead('/file.txt')).toBe('301 /elsewhere')
  expect(lead('/movies/x%20y')).toBe('302 /media/x%20y')
  expect(lead('/movies/x/')).toBe('none')
  expect(lead('/late/x')).toBe('303 /l/x')
  expect(lead('/products/1/n%26m')).toBe('302 /q?code=1&name=n%26m')
  expect(lead('/ext/a/b')).toBe('302 https://blog.example/a/b')
  expect(lead('/rw')).toBe('/about.html')
  expect(lead('/page/x')).toBe('/about.html')
  expect(lead('/lost')).toBe('lost')
  expect(lead('/a')).toBe('/b.html')
  expect(lead('/other')).toBe('none')
})

test('what a visitor writes into a path never chooses the host, and never breaks a header', () => {
  const lead = redirects('/r/* /:splat\n/e/:x https://a.example/:x')
  expect(lead('/r//evil.example')).toBe('302 /evil.example')
  expect(lead('/r/\\evil.example')).toBe('302 /evil.example')
  expect(lead('/e/@evil.example')).toBe('302 https://a.example/@evil.example')
  expect(lead('/e/caf\xe9\r\n')).toBe('302 https://a.example/caf%e9%0d%0a')
})

test('headers of all rules that match are set, joined and taken away in their order', () => {
  const { rules } = parseHeaders(`
/*
  X-All: yes
  X-Dup: a
/page
  X-Dup: b
  ! ETag
  Cache-Control: max-age=9
/style.css
  ! X-All
  Set-Cookie: a=1
  Set-Cookie: b=2
/blog/:slug
  X-Slug: :slug
https://:sub.example.com/*
  X-Host: :sub
/frame
  Content-Length: 5`)
  const index = site([], { headers: rules })
  const headersOf = (path: string, host = 'x.localhost:80') => {
    const headers: Record<string, string | number | string[]> = { etag: 'e', 'cache-control': 'c' }
    applyHeaderRules(index, host, path, headers)
    return headers
  }
  const usual = { etag: 'e', 'cache-control': 'c', 'x-all': 'yes', 'x-dup': 'a' }
  expect(headersOf('/')).toEqual(usual)
  expect(headersOf('/page')).toEqual({
    'x-all': 'yes',
    'x-dup': 'a, b',
    'cache-control': 'max-age=9',
  })
  const { 'x-all': _, ...bare } = usual
  expect(headersOf('/style.css')).toEqual({ ...bare, 'set-cookie': ['a=1', 'b=2'] })
  expect(headersOf('/blog/a%20b')).toEqual({ ...usual, 'x-slug': 'a%20b' })
  expect(headersOf('/', 'A.example.com:443')).toEqual({ ...usual, 'x-host': 'a' })
  expect(headersOf('/frame')).toEqual(usual)
})

test('whatever the parsers let through, the contract takes', () => {
  const piece = fc.constantFrom(
    '/',
    '*',
    ':a',
    ':b-',
    ' ',
    'https://',
    'h.example',
    '\n',
    '\n/',
    '\n  x: ',
    '! y',
    '%',
    'é',
    '301',
    '200',
    '?',
    '#',
  )
  fc.assert(
    fc.property(fc.string({ unit: piece, maxLength: 60 }), (text) => {
      const settings = {
        files: [],
        headers: parseHeaders(text).rules,
        redirects: parseRedirects(text).rules,
      }
      expect(AssetSettings.safeParse(settings).error).toBe(undefined)
      const index = indexAssets(AssetSettings.parse(settings))
      answerAsset(index, '/a/b')
      applyHeaderRules(index, 'h.example', '/a/b', {})
    }),
    { numRuns: 2_000 },
  )
})

test('the contract refuses what the parsers would not have written', () => {
  const headers = (name: string, value = 'x') =>
    AssetSettings.safeParse({
      files: [],
      headers: [{ path: '/*', unset: [], set: [[name, value]] }],
    }).success
  expect(headers('x-fine')).toBe(true)
  for (const name of [
    'content-length',
    'transfer-encoding',
    'connection',
    'content-encoding',
    'location',
    'X-Upper',
    'a b',
    'x-jack-deployment',
  ])
    expect(headers(name), name).toBe(false)
  expect(headers('x-fine', 'a\r\nb: c')).toBe(false)
  const redirect = (from: string, to: string, status = 302) =>
    AssetSettings.safeParse({ files: [], redirects: [{ from, to, status }] }).success
  expect(redirect('/a/*', '/b/:splat')).toBe(true)
  for (const to of ['//evil.example', 'https://:splat', 'javascript:1', 'b', '/a b'])
    expect(redirect('/a/*', to), to).toBe(false)
  for (const from of ['/*/*', '/:a/:a', '/:a*', '/:splat', '/:a:b', 'a'])
    expect(redirect(from, '/x'), from).toBe(false)
  expect(redirect('/a', 'https://other.example/', 200)).toBe(false)
})
