import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../Engine.ts'
import { app, get } from '../engine.contract.ts'
import { isPublic } from './egress.ts'
import { startEngine } from './testing.ts'

it.each([
  '127.0.0.1',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '192.0.0.1',
  '192.0.2.1',
  '198.18.0.1',
  '240.0.0.1',
  '::',
  '::1',
  'fe80::1',
  'fc00::1',
  'fd00:ec2::254',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:8.8.8.8',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:0:1::',
  '2001:db8::1',
  '100::1',
  '127.1',
  'nonsense',
])('does not take %s for a public address', (address) => {
  expect(isPublic(address)).toBe(false)
})

it.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111', '2a00:1450:4001::200e'])(
  'takes %s for a public address',
  (address) => expect(isPublic(address)).toBe(true),
)

describe("an app's own fetch", () => {
  let engine: Engine
  const server = createServer((request, response) => {
    if (request.url === '/redirect')
      return response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
    response.writeHead(200, { 'x-seen': request.headers.host ?? '', 'set-cookie': ['a=1', 'b=2'] })
    request.pipe(response)
  })
  let port = 0
  const source = `export default { async fetch(request) { const { searchParams: q } = new URL(request.url);
    try { const r = await fetch(q.get("url"), q.has("body") ? { method: "POST", body: q.get("body") } : {});
      return Response.json([r.status, await r.text(), r.headers.getSetCookie()]) } catch (e) { return Response.json(["threw", e.message]) } } }`
  const hosted = app(source)
  const ask = async (url: string, body?: string, from = hosted) => {
    const query = new URLSearchParams({ url, ...(body === undefined ? {} : { body }) })
    return JSON.parse((await get(engine, from, `/?${query}`)).body)
  }

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as { port: number }).port
    const allow = (address: string, at: number) => address === '127.0.0.1' && at === port
    ;({ engine } = await startEngine({ egress: { allow } }))
  })
  afterAll(async () => {
    server.close()
    await engine.close(0)
  })

  it('reaches what is allowed, with its body both ways', async () => {
    const body = 'ü'.repeat(300)
    expect(await ask(`http://127.0.0.1:${port}/`, body)).toEqual([200, body, ['a=1', 'b=2']])
  })

  it('finds names here and checks what they stand for', async () => {
    expect((await ask(`http://localhost:${port + 1}/`))[0]).toBe(403)
  })

  it('is checked again after a redirect', async () => {
    expect((await ask(`http://127.0.0.1:${port}/redirect`))[0]).toBe(403)
  })

  it.each([
    'http://127.0.0.1:1/',
    'http://[::1]:1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://[::ffff:127.0.0.1]/',
    'https://10.0.0.1/',
  ])('does not reach %s', async (url) => {
    expect(await ask(url)).toEqual([403, expect.stringContaining('not a public address'), []])
  })

  it('says so when the app has no network', async () => {
    const closed = app(source, { egress: 'none' })
    expect(await ask(`http://127.0.0.1:${port}/`, undefined, closed)).toEqual([
      'threw',
      'This app has no access to the network',
    ])
  })
})
