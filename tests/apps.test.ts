import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { loopback } from '@jackcloud/sdk/node'
import { Agent, request, WebSocket } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  commandLine,
  eventually,
  type Json,
  live,
  temporaryHome,
  text,
  type Up,
  up,
} from './harness.ts'

// Apps as users write them (tests/apps), deployed by the real command line, and then used.
const home = temporaryHome('apps')
const { json, jack } = commandLine(home)
let cloud: Up

beforeAll(async () => {
  cloud = await up(home, join(home.path, 'cloud'))
}, 120_000)

afterAll(async () => {
  await dispatcher.close()
  await cloud?.stop()
  await home.remove()
}, 60_000)

async function deploy(cwd: string, ...args: string[]): Promise<Json> {
  const answer = await json(['deploy', ...args], { cwd })
  expect(answer).toMatchObject({ exitCode: 0, created: true, charged_usd: '0.050000' })
  return answer
}

const dispatcher = new Agent({ connect: { lookup: loopback } })

/** Opens a page as a browser does; `fetch` may not say that it does. */
async function navigate(url: string): Promise<[number, string]> {
  const headers = { 'sec-fetch-mode': 'navigate' }
  const { statusCode, body } = await request(url, { headers, dispatcher })
  return [statusCode, await body.text()]
}

test('Hono with middleware and JSX: pages, logins and headers are as in its manual', async () => {
  const { url } = await deploy(
    home.app('hono-middleware'),
    ...['--env', 'JWT_SECRET=signs', '--env', 'ADMIN_PASSWORD=pässword'],
  )
  expect(url).toMatch(/-guestbook\.localhost:\d+$/)

  const page = await live(url)
  expect(page.headers.get('content-type')).toBe('text/html; charset=UTF-8')
  expect(page.headers.get('x-frame-options')).toBe('SAMEORIGIN')
  expect(page.headers.get('strict-transport-security')).toContain('max-age=')
  expect(await page.text()).toContain('<h1>Guests</h1><p>Nobody was here yet.</p>')

  const body = new URLSearchParams({ name: '<b>Ada</b>' })
  const posted = await live(url, { method: 'POST', body, redirect: 'manual' })
  expect([posted.status, posted.headers.get('location')]).toEqual([303, '/'])
  expect(await text(url)).toContain('<ul><li>&lt;b&gt;Ada&lt;/b&gt;</li></ul>')
  const nameless = await live(url, { method: 'POST', body: new URLSearchParams() })
  expect([nameless.status, await nameless.text()]).toEqual([400, 'Say your name.'])

  const preflight = await live(`${url}/api/login`, {
    method: 'OPTIONS',
    headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST' },
  })
  expect(preflight.status).toBe(204)
  expect(preflight.headers.get('access-control-allow-origin')).toBe('https://shop.example')
  expect(preflight.headers.get('access-control-allow-methods')).toBe('GET,POST')

  const login = await live(`${url}/api/login`, { method: 'POST', body: '{"name":"Ada"}' })
  const { token } = (await login.json()) as Json
  const me = (authorization: string) => live(`${url}/api/me`, { headers: { authorization } })
  expect(await (await me(`Bearer ${token}`)).json()).toEqual({ name: 'Ada' })
  expect((await me(`Bearer ${token}x`)).status).toBe(401)
  expect((await live(`${url}/api/me`)).headers.get('www-authenticate')).toContain('Bearer')

  const admin = (word: string) =>
    live(`${url}/admin/clear`, {
      headers: { authorization: `Basic ${Buffer.from(`admin:${word}`).toString('base64')}` },
    })
  expect((await admin('guess')).headers.get('www-authenticate')).toContain('Basic')
  expect(await (await admin('pässword')).text()).toBe('Cleared.')
  expect(await text(url)).toContain('Nobody was here yet.')

  const lost = await live(`${url}/nowhere`)
  expect([lost.status, await lost.json()]).toEqual([404, { error: 'Not here.' }])
  await eventually(async () => {
    const { stdout } = await jack(['logs', 'guestbook', '--json'])
    const messages = stdout
      .split('\n')
      .map((line) => stripVTControlCharacters(JSON.parse(line).message))
    expect(messages.slice(-2)).toEqual([
      '<-- GET /nowhere',
      expect.stringMatching(/^--> GET \/nowhere 404 \d+ms$/),
    ])
  })
})

test('a page that Vite built: deep links show it, its parts are cached by content', async () => {
  const cwd = home.app('vite-spa')
  const unbuilt = await json(['deploy'], { cwd })
  expect(unbuilt).toMatchObject({ exitCode: 8, error: { code: 'missing_files' } })
  expect(unbuilt.error.hint).toContain('npm run build')

  const vite = fileURLToPath(new URL('bin/vite.js', import.meta.resolve('vite/package.json')))
  execFileSync(process.execPath, [vite, 'build', '--logLevel', 'warn'], { cwd })
  const { url } = await deploy(cwd)

  const page = await text(url)
  const [script, style] = [/src="(\/assets\/[^"]+\.js)"/, /href="(\/assets\/[^"]+\.css)"/].map(
    (pattern) => pattern.exec(page)?.[1] as string,
  )
  const code = await live(url + script)
  expect(code.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
  const lazy = /\.\/(about-[\w-]+\.js)/.exec(await code.text())?.[1]
  expect(await text(`${url}/assets/${lazy}`)).toContain('loaded when it was needed')
  expect((await live(url + style)).headers.get('content-type')).toBe('text/css; charset=utf-8')
  expect((await live(`${url}/icon.svg`)).headers.get('content-type')).toContain('image/svg+xml')

  for (const link of ['/about', '/users/7?tab=posts']) {
    expect(await navigate(url + link)).toEqual([200, page])
  }
  const etag = code.headers.get('etag') as string
  const again = await live(url + script, { headers: { 'if-none-match': etag } })
  expect([again.status, await again.text()]).toEqual([304, ''])
  expect((await live(`${url}/src/main.ts`)).headers.get('content-type')).toContain('text/html')
})

test('a static site: folders, clean addresses, its own 404 page, and bytes as they were', async () => {
  const cwd = home.app('static-site')
  const { url } = await deploy(cwd)
  expect(await text(url)).toContain('<title>Home</title>')

  for (const [from, to, title] of [
    ['/docs', '/docs/', 'Docs'],
    ['/docs/index.html', '/docs/', 'Docs'],
    ['/about.html', '/about', 'About'],
    ['/docs/guide/start.html?a=b', '/docs/guide/start?a=b', 'Start'],
  ]) {
    const moved = await live(url + from, { redirect: 'manual' })
    expect([moved.status, moved.headers.get('location')]).toEqual([307, to])
    expect(await text(url + to)).toContain(`<title>${title}</title>`)
  }
  for (const path of ['/missing', '/docs/missing', '/docs/guide/']) {
    const lost = await live(url + path)
    expect([lost.status, await lost.text()]).toEqual([
      404,
      '<!doctype html>\n<title>Lost</title>\n',
    ])
  }
  const image = readFileSync(join(cwd, 'images/dot.png'))
  const served = await live(`${url}/images/dot.png`)
  expect(served.headers.get('content-type')).toBe('image/png')
  expect(Buffer.from(await served.arrayBuffer())).toEqual(image)
  const part = await live(`${url}/images/dot.png`, { headers: { range: 'bytes=1-3' } })
  expect([part.status, await part.text()]).toEqual([206, 'PNG'])
  const head = await live(`${url}/images/dot.png`, { method: 'HEAD' })
  expect(head.headers.get('content-length')).toBe(String(image.length))

  expect(await text(`${url}/.well-known/security.txt`)).toContain('mailto:')
  expect(await text(`${url}/files/${encodeURIComponent('Über uns.txt')}`)).toBe('Grüße\n')
  expect((await live(url, { method: 'POST' })).status).toBe(404)
})

test('server-sent events arrive as they are sent, and resume after the last one seen', async () => {
  const { url } = await deploy(home.app('sse'))
  const open = async (headers: Record<string, string> = {}, signal?: AbortSignal) => {
    const response = await live(`${url}/events`, { headers, ...(signal && { signal }) })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    let seen = ''
    /** Everything up to and with a text; undefined when the stream ends without it. */
    return async (wanted: string) => {
      while (!seen.includes(wanted)) {
        const { done, value } = await reader.read()
        if (done) return undefined
        seen += Buffer.from(value).toString()
      }
      return seen
    }
  }
  const leaving = new AbortController()
  const first = await open({}, leaving.signal)
  expect(await first('id: 3\n')).toContain('id: 1\nevent: tick\ndata: {"id":1}\n\n')
  leaving.abort()
  await eventually(async () => expect(await text(`${url}/readers`)).toBe('0'))

  const second = await open({ 'last-event-id': '40' })
  expect(await second('id: 42\n')).toMatch(/^id: 41\n/)
  expect((await live(`${url}/stop`, { method: 'POST' })).status).toBe(204)
  expect(await second('event: bye\n')).toContain('id: 42\n')
})

test('an API of npm packages: what package.json asks for comes from the registry', async () => {
  const cwd = home.app('npm-api')
  const { url } = await deploy(cwd)
  const post = (body: unknown) =>
    live(`${url}/bookings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const guest = { name: ' Ada ', email: 'ada@example.com', from: '2028-02-27' }
  const booked = await post({ ...guest, nights: 3 })
  expect([booked.status, await booked.json()]).toEqual([
    201,
    {
      ...guest,
      id: expect.stringMatching(/^[\w-]{12}$/),
      name: 'Ada',
      until: '2028-03-01',
      days: 3,
    },
  ])
  expect(await (await post(guest)).json()).toMatchObject({ until: '2028-02-28', days: 1 })
  const refused = await post({ ...guest, email: 'nobody', nights: 31 })
  expect(refused.status).toBe(400)
  expect(await refused.text()).toMatch(/email[\s\S]*nights/)
  const found = (await (await live(`${url}/bookings`)).json()) as Json
  expect(found['2028-02-27']).toHaveLength(2)
})

test('a project made for wrangler is deployed unchanged, and finds what it had', async () => {
  const cwd = home.app('wrangler-jsonc')
  writeFileSync(join(cwd, '.dev.vars'), 'API_KEY=only-for-this-machine\n')
  const { url, name } = await deploy(cwd, '--env', 'API_KEY=secret')
  expect(name).toBe('old-worker')

  expect(await text(`${url}/`)).toContain('<title>Old worker</title>')
  expect(await text(`${url}/message`)).toBe('Good day, World!')
  expect(await (await live(`${url}/env`)).json()).toMatchObject({
    levels: { debug: false },
    key: 'secret',
    env: 'Good day',
  })
  const body = 'grüße'
  expect(await (await live(`${url}/digest`, { method: 'POST', body })).json()).toEqual({
    sha256: createHash('sha256').update(body).digest('hex'),
    base64: Buffer.from(body).toString('base64'),
    uuid: expect.stringMatching(/^[0-9a-f-]{36}$/),
  })
  expect(await text(`${url}/rewritten`)).toContain(
    '<h1 id="heading" data-rewritten="yes">Good day</h1>',
  )
  expect((await live(`${url}/later?one`)).status).toBe(202)
  await eventually(async () => expect(await text(`${url}/seen`)).toBe('["?one"]'))
  expect((await live(`${url}/nowhere`)).status).toBe(404)
  for (const secret of ['/.dev.vars', '/wrangler.jsonc', '/src/index.ts'])
    expect((await live(url + secret)).status).toBe(404)
})

test('the Cache API keeps what a Worker puts there, until it is deleted', async () => {
  const { url } = await json(['info', 'old-worker'])
  const ask = async (path: string, method = 'GET') => {
    const response = await live(url + path, { method })
    return [response.headers.get('x-cache'), await response.text()]
  }
  const [, computed] = await ask('/cached?a')
  await eventually(async () => expect(await ask('/cached?a')).toEqual(['hit', computed]))
  expect(await ask('/cached?b')).not.toContain('hit')
  expect(await ask('/cached?a', 'DELETE')).toEqual([null, 'true'])
  expect(await ask('/cached?a', 'DELETE')).toEqual([null, 'false'])
  expect(await ask('/cached?a')).not.toContain(computed)
})

test('a wrangler.toml names the project, its variables, its pages and its text modules', async () => {
  const { url, name } = await deploy(home.app('wrangler-toml'))
  expect(name).toBe('toml-worker')
  expect(await (await live(`${url}/api/x`)).json()).toEqual({
    site: 'toml',
    schema: 'create table notes (text text not null);',
    emitted: 1,
  })
  expect(await (await live(`${url}/api/node`)).json()).toEqual({
    eol: '\n',
    cwd: expect.stringMatching(/^\//),
    version: 'string',
    modules: 24,
  })
  expect(await navigate(`${url}/any/page`)).toEqual([200, expect.stringContaining('Single page')])
  expect(await text(`${url}/any/data`)).toBe('worker')
})

test('a script without a module finds its bindings among the globals', async () => {
  const { url, name } = await deploy(home.app('script'))
  expect(name).toBe('old-script')
  expect(await text(`${url}/a`)).toBe('Hello, nobody!')
  expect((await live(`${url}/a`, { method: 'PUT', body: 'Ada' })).status).toBe(204)
  await eventually(async () => expect(await text(`${url}/a`)).toBe('Hello, Ada!'))
})

test('a WebSocket echoes text and bytes, and closes with its own code', async () => {
  const { url } = await deploy(home.app('websocket'))
  expect((await live(url)).status).toBe(426)
  const socket = new WebSocket(url.replace('http', 'ws'), { protocols: ['chat'], dispatcher })
  socket.binaryType = 'arraybuffer'
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', ({ error }) => reject(error))
  })
  expect(socket.protocol).toBe('chat')
  const answer = (data: string | Uint8Array) =>
    new Promise<unknown>((resolve) => {
      socket.addEventListener('message', (event) => resolve(event.data), { once: true })
      socket.send(data)
    })
  expect(await answer('hello')).toBe('echo: hello')
  const long = 'ü'.repeat(100_000)
  expect(await answer(long)).toBe(`echo: ${long}`)
  expect(Buffer.from((await answer(new Uint8Array([1, 2, 3]))) as ArrayBuffer)).toEqual(
    Buffer.from([3, 2, 1]),
  )
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.addEventListener('close', resolve),
  )
  socket.send('bye')
  expect(await closed).toMatchObject({ code: 4001, reason: 'You said bye.' })
})

test('a WebAssembly module is imported like any other', async () => {
  const { url } = await deploy(home.app('wasm'))
  expect(await (await live(`${url}/?a=40&b=2`)).json()).toEqual({ sum: 42 })
})

test.each(['worker', 'hono-api', 'static-site', 'fullstack'])(
  'the template %s deploys unchanged and answers its own README',
  async (template) => {
    const made = await json(['new', `my-${template}`, '--template', template])
    expect(made.exitCode).toBe(0)
    const { url } = await deploy(join(home.path, `my-${template}`))
    expect(url).toContain(`-my-${template}.localhost`)
    const readme = readFileSync(join(home.path, `my-${template}`, 'README.md'), 'utf8')
    expect(readme).toContain(`# my-${template}`)
    expect((await live(url)).status).toBe(200)
    await used[template as keyof typeof used](url)
  },
)

const used = {
  worker: async (url: string) => expect(await text(url)).toContain('Hello'),
  'hono-api': async (url: string) => {
    const body = '{"numbers":[1,2,3]}'
    expect(await text(`${url}/sum`, { method: 'POST', body })).toBe('{"sum":6}')
    expect((await live(`${url}/sum`, { method: 'POST', body: '{}' })).status).toBe(400)
  },
  'static-site': async (url: string) => expect((await live(`${url}/x`)).status).toBe(404),
  fullstack: async (url: string) => {
    expect((await live(`${url}/page.js`)).headers.get('content-type')).toContain('javascript')
  },
}

test('everything that was deployed is listed, and was charged once', async () => {
  const { projects } = await json(['ls'])
  const { balance_usd, held_usd } = await json(['balance'])
  expect(Number(balance_usd)).toBeCloseTo(100 - 0.05 * projects.length, 6)
  expect(held_usd).toBe('0.000000')
  expect((await jack(['ls'])).stdout).toContain('old-worker')
})
