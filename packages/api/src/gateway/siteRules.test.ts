import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
let url: string
beforeAll(async () => {
  cloud = await testCloud()
  const { status, json } = await cloud.api('POST', '/deploy', {
    name: 'rules',
    verify: [{ path: '/old', status: 301 }, { path: '/rw' }],
    files: {
      'public/index.html': '<h1>home</h1>',
      'public/about.html': 'about',
      'public/app.css': 'body { margin: 0 }\n'.repeat(100),
      'public/_redirects': [
        '/old /about 301',
        '/rw /about 200',
        '/gone /nothing 200',
        '/blog/* https://blog.example/:splat',
        '/fragment /about#top',
        '/api/old /never',
        'broken',
      ].join('\n'),
      'public/_headers': [
        '/*',
        '  X-Frame-Options: DENY',
        '/app.css',
        '  Cache-Control: public, max-age=31536000, immutable',
        '  Vary: origin',
        '  ! X-Content-Type-Options',
      ].join('\n'),
      'src/index.ts': `export default { async fetch(request, env) {
        const asked = new URL(request.url).searchParams.get('asset')
        return asked ? env.ASSETS.fetch(new URL(asked, request.url), { redirect: 'manual' }) : new Response('worker') } }`,
      'wrangler.jsonc': JSON.stringify({
        main: 'src/index.ts',
        compatibility_date: '2026-01-01',
        assets: { directory: 'public', binding: 'ASSETS', run_worker_first: ['/api/*'] },
      }),
    },
  })
  expect(status, JSON.stringify(json)).toBe(201)
  expect(json.warnings).toEqual(['A redirect looks like "/from /to 301".'])
  url = json.url
})
afterAll(() => cloud.close())

test('redirects take the query along, and leave the site only where the rule says', async () => {
  const to = async (path: string, method = 'GET') => {
    const { status, headers } = await cloud.live(url + path, { method })
    return `${status} ${headers.location}`
  }
  expect(await to('/old?x=1')).toBe('301 /about?x=1')
  expect(await to('/old', 'POST')).toBe('301 /about')
  expect(await to('/fragment?x=1')).toBe('302 /about?x=1#top')
  expect(await to('/blog/a/b')).toBe('302 https://blog.example/a/b')
  expect((await cloud.live(`${url}/old`)).headers['x-frame-options']).toBe('DENY')
})

test('a rewrite answers with the file, and never with the worker', async () => {
  expect(await cloud.live(`${url}/rw`)).toMatchObject({ status: 200, text: 'about' })
  expect((await cloud.live(`${url}/gone`)).status).toBe(404)
})

test('headers decorate files, whatever way they are sent, and nothing of the worker', async () => {
  const css = await cloud.live(`${url}/app.css`, { headers: { 'accept-encoding': 'br' } })
  expect(css.headers).toMatchObject({
    'cache-control': 'public, max-age=31536000, immutable',
    'content-encoding': 'br',
    'x-frame-options': 'DENY',
    vary: 'origin, accept-encoding',
  })
  expect(css.headers).not.toHaveProperty('x-content-type-options')
  const again = { 'if-none-match': String(css.headers.etag), 'accept-encoding': 'br' }
  const cached = await cloud.live(`${url}/app.css`, { headers: again })
  expect(cached).toMatchObject({ status: 304, headers: { 'x-frame-options': 'DENY' } })
  const worker = await cloud.live(`${url}/nothing`)
  expect(worker.text).toBe('worker')
  expect(worker.headers).not.toHaveProperty('x-frame-options')
})

test('where the worker comes first, no rule applies', async () => {
  expect(await cloud.live(`${url}/api/old`)).toMatchObject({ status: 200, text: 'worker' })
})

test('the worker gets files through its binding as a visitor would', async () => {
  const about = await cloud.live(`${url}/api/x?asset=/rw`)
  expect(about).toMatchObject({ text: 'about', headers: { 'x-frame-options': 'DENY' } })
  const old = await cloud.live(`${url}/api/x?asset=/old`)
  expect(old).toMatchObject({ status: 301, headers: { location: '/about' } })
})
