import type { AssetSettings } from '@jackcloud/sdk/wire'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findAsset, indexAssets, missingAsset, workerFirst } from './Assets.ts'

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
