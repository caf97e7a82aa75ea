import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandLine, eventually, live, temporaryHome, text, type Up, up } from './harness.ts'

const home = temporaryHome('export')
const { json } = commandLine(home)
let cloud: Up

beforeAll(async () => {
  cloud = await up(home, join(home.path, 'cloud'))
}, 120_000)

afterAll(async () => {
  if (cloud) await cloud.stop()
  await home.remove()
}, 60_000)

function folder(name: string, files: Record<string, string>): string {
  const path = join(home.path, 'work', name)
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(join(path, file, '..'), { recursive: true })
    writeFileSync(join(path, file), content)
  }
  return path
}

/** Exports a project and unpacks it as anybody would. Answers the folder. */
async function exported(name: string): Promise<string> {
  const file = join(home.path, `${name}.tar.gz`)
  expect(await json(['export', name, '-o', file])).toMatchObject({ exitCode: 0, file })
  const to = join(home.path, 'exported')
  mkdirSync(to, { recursive: true })
  await execa('tar', ['xzf', file, '-C', to])
  return join(to, name)
}

async function answers(url: string, paths: string[]) {
  return Promise.all(
    paths.map(async (path) => {
      const response = await live(url + path, { redirect: 'manual' })
      const { status, headers } = response
      const some = ['content-type', 'location', 'x-test', 'etag'].map((it) => headers.get(it))
      return { path, status, headers: some, body: await response.text() }
    }),
  )
}

const everything = {
  'wrangler.jsonc': JSON.stringify({
    name: 'everything',
    main: 'src/index.ts',
    compatibility_date: '2026-10-01',
    compatibility_flags: ['nodejs_compat'],
    vars: { GREETING: 'hello', LIMIT: 3 },
    assets: { directory: 'public', binding: 'ASSETS', run_worker_first: ['/api/*'] },
    kv_namespaces: [{ binding: 'KV', id: 'x' }],
    d1_databases: [{ binding: 'DB', database_name: 'main' }],
    durable_objects: { bindings: [{ name: 'ROOM', class_name: 'Room' }] },
    migrations: [{ tag: 'v1', new_sqlite_classes: ['Room'] }],
    queues: { producers: [{ binding: 'Q', queue: 'jobs' }], consumers: [{ queue: 'jobs' }] },
    triggers: { crons: ['0 3 * * *'] },
    rules: [{ type: 'Data', globs: ['**/*.weird'] }],
  }),
  'jack.json': JSON.stringify({ ttl_hours: 24, budget_usd: 2.5, egress: ['api.example.com'] }),
  'src/index.ts': `
    import { DurableObject } from 'cloudflare:workers'
    import { Buffer } from 'node:buffer'
    import weird from './some.weird'
    import page from './page.html'
    export class Room extends DurableObject { hi() { return 'room' } }
    export default {
      async fetch(request: Request, env: any) {
        const { pathname } = new URL(request.url)
        if (pathname === '/api/write') {
          await env.DB.exec('create table if not exists t (n int)')
          await env.DB.exec('insert into t values (42)')
          await env.KV.put('k', 'v')
          return new Response('written')
        }
        const room = await env.ROOM.get(env.ROOM.idFromName('a')).hi()
        return Response.json([env.GREETING, env.LIMIT, Buffer.from(weird).toString('hex'), page, room, typeof env.SECRET])
      },
      async queue() {},
      async scheduled() {},
    }`,
  'src/some.weird': 'weird bytes',
  'src/page.html': '<p>imported</p>',
  'public/index.html': '<h1>home</h1>',
  'public/ünter/page.html': '<h1>below</h1>',
  'public/_headers': '/*\n  X-Test: yes\n/index.html\n  ! X-Test\n  X-Test: no\n',
  'public/_redirects': '/old/* /new/:splat 301\n/moved https://example.com/ 302\n',
}

test('an export is unpacked, deployed under another name, and answers the same', async () => {
  const first = await json(['deploy', folder('everything', everything), '-e', 'SECRET=never-told'])
  expect(first).toMatchObject({ exitCode: 0 })
  expect(await text(`${first.url}/api/write`)).toBe('written')
  const path = await exported('everything')

  const again = await json(['deploy', path, '--name', 'again', '-e', 'SECRET=other'])
  expect(again.error).toBe(undefined)
  expect(again).toMatchObject({ ttl_hours: 24, warnings: [] })
  const paths = ['/', '/api/x', '/old/path', '/moved', '/%C3%BCnter/page', '/nowhere', '/page']
  expect(await answers(again.url, paths)).toEqual(await answers(first.url, paths))
  const assets = async (url: string) =>
    JSON.parse(await text(`${url}/.well-known/jack`)).parts.assets
  expect(await assets(again.url)).toEqual(await assets(first.url))
  expect(await json(['info', 'again'])).toMatchObject({ budget_usd: '2.500000', ttl_hours: 24 })

  const settings = (folder: string) => {
    const {
      name: _,
      rules: __,
      ...rest
    } = JSON.parse(readFileSync(join(folder, 'wrangler.jsonc'), 'utf8'))
    return rest
  }
  expect(settings(path)).toMatchObject({ vars: { LIMIT: 3 }, triggers: { crons: ['0 3 * * *'] } })
  expect(settings(await exported('again'))).toEqual(settings(path))
  expect(readFileSync(join(path, 'data/main.sql'), 'utf8')).toMatch(/INSERT INTO "?t"? .*42/i)
  expect(readdirSync(join(path, 'data/files')).length).toBeGreaterThan(0)
  const told = JSON.parse(readFileSync(join(path, 'export.json'), 'utf8'))
  expect(told).toMatchObject({
    format: 1,
    env: ['SECRET'],
    left_out: [],
    project: { name: 'everything', url: first.url, live_deployment_id: first.deployment_id },
    deployments: [{ deployment_id: first.deployment_id, digest: first.digest }],
    usage: { requests: expect.any(Number) },
  })
  const { stdout } = await execa('grep', ['-r', 'never-told', path], { reject: false })
  expect(stdout).toBe('')
})

test('programs of every shape come back', async () => {
  for (const name of ['wasm', 'static-site', 'wrangler-jsonc', 'npm-api']) {
    const first = await json(['deploy', home.app(name), '--name', `one-${name}`])
    expect(first, name).toMatchObject({ exitCode: 0 })
    const path = await exported(`one-${name}`)
    const again = await json(['deploy', path, '--name', `two-${name}`])
    expect(again.error, name).toBe(undefined)
    const paths = ['/', '/nowhere', '/about', '/index.html']
    expect(await answers(again.url, paths), name).toEqual(await answers(first.url, paths))
  }
})

test('what has expired, or was never deployed to, can be exported too', async () => {
  const files = { 'index.js': 'export default { fetch: () => new Response("brief") }' }
  const brief = await json(['deploy', folder('brief', files), '--ttl', '0.0002'])
  expect(brief).toMatchObject({ exitCode: 0 })
  await eventually(async () => expect((await live(brief.url)).status).toBe(410))
  const again = await json(['deploy', await exported('brief'), '--name', 'brief-2', '--ttl', '24h'])
  expect(again.error).toBe(undefined)
  expect(await text(again.url)).toBe('brief')

  const { url, token } = cloud.ready
  await fetch(`${url}/v1/projects`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'nothing' }),
  })
  expect(readdirSync(await exported('nothing'))).toEqual(['export.json'])
  expect(await json(['export', 'nobody'])).toMatchObject({ exitCode: 4 })
})
