import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from '@jackcloud/sdk/wire'
import { Agent, WebSocket } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as accounts from '../store/accounts.ts'
import { createLedgerAccount, grant } from '../store/ledger.ts'
import * as tokens from '../store/tokens.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

/** Deploys an app with service bindings: the name in `env`, and the project that it leads to. */
async function deploy(
  name: string,
  fetch: string,
  services: Record<string, string> = {},
  headers: Record<string, string> = {},
) {
  const config = {
    main: 'index.js',
    services: Object.entries(services).map(([binding, service]) => ({ binding, service })),
  }
  const files = {
    'wrangler.json': JSON.stringify(config),
    'index.js': `export default { async fetch(request, env) { ${fetch} } }`,
  }
  const answer = await cloud.api('POST', '/deploy', { name, files }, headers)
  expect(answer.status, answer.text).toBe(201)
  return answer.json
}

const requestsOf = async (name: string): Promise<number> =>
  (await cloud.api('GET', `/v1/projects/${name}/usage`)).json.total.requests

/** Another account, with money and a token. */
async function stranger(slug: string): Promise<{ authorization: string }> {
  const { jack } = cloud
  const { accountId } = await accounts.ensure(jack.db, {
    accountId: jack.newId('acc'),
    slug,
    kind: 'person',
  })
  await createLedgerAccount(jack.db, accountId)
  await grant(jack.db, { id: `grant:${slug}`, accountId, amountMicroUsd: 1_000_000n })
  const secret = tokens.newSecret()
  const tokenId = jack.newId('tok')
  const rest = {
    scopes: ['admin' as const],
    projectId: null,
    dailyCapMicroUsd: null,
    expiresAt: null,
  }
  await tokens.add(jack.db, { tokenId, accountId, name: slug, ...rest }, secret)
  return { authorization: `Bearer ${secret}` }
}

test('an app reaches what is live in another project of its account, as it sent it', async () => {
  const echo = (version: number) =>
    `return Response.json({ version: ${version}, method: request.method, url: request.url, headers: Object.fromEntries(request.headers), body: await request.text() })`
  await deploy('echo', echo(1))
  const { url, warnings } = await deploy(
    'caller',
    `return env.API.fetch("https://anything.example/a%20b?x=1", { method: "PUT", body: await request.text(), headers: {
      "x-custom": "yes", "cf-connecting-ip": request.headers.get("cf-connecting-ip") } })`,
    { API: 'echo' },
  )
  expect(warnings).toEqual([])
  const body = 'x'.repeat(300_000)
  const first = await cloud.live(url, { method: 'POST', body })
  expect(first.json).toMatchObject({
    version: 1,
    method: 'PUT',
    url: 'http://anything.example/a%20b?x=1',
    headers: { 'x-custom': 'yes', 'cf-connecting-ip': '127.0.0.1', 'x-jack-hops': '1' },
    body,
  })
  await deploy('echo', echo(2))
  expect((await cloud.live(url, { method: 'POST' })).json).toMatchObject({ version: 2 })
  expect([await requestsOf('caller'), await requestsOf('echo')]).toEqual([2, 2])
})

test('an answer is streamed through, and a static file is found', async () => {
  const files = {
    'wrangler.json': JSON.stringify({ assets: { directory: 'public' } }),
    'public/a.txt': 'file',
  }
  expect((await cloud.api('POST', '/deploy', { name: 'files', files })).status).toBe(201)
  await deploy(
    'stream',
    `let n = 0; return new Response(new ReadableStream({ async pull(c) {
      if (n++ === 3) return c.close(); await new Promise((r) => setTimeout(r, 20)); c.enqueue(new TextEncoder().encode("chunk" + n + " ")) } }))`,
  )
  const { url } = await deploy(
    'reader',
    `if (new URL(request.url).pathname === "/file") return env.FILES.fetch("http://x/a.txt");
    const seen = []; for await (const chunk of (await env.STREAM.fetch("http://x/")).body) seen.push(new TextDecoder().decode(chunk));
    return Response.json(seen)`,
    { STREAM: 'stream', FILES: 'files' },
  )
  expect((await cloud.live(url)).json).toEqual(['chunk1 ', 'chunk2 ', 'chunk3 '])
  expect((await cloud.live(`${url}/file`)).text).toBe('file')
})

test('a WebSocket goes through a service binding', async () => {
  await deploy(
    'sockets',
    `const { 0: client, 1: server } = new WebSocketPair(); server.accept();
    server.addEventListener("message", ({ data }) => server.send("echo " + data));
    return new Response(null, { status: 101, webSocket: client })`,
  )
  const { url } = await deploy('socket-door', 'return env.SOCKETS.fetch(request)', {
    SOCKETS: 'sockets',
  })
  // Not every resolver knows that `*.localhost` is loopback.
  const dispatcher = new Agent({
    connect: {
      lookup: (_host, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]),
    },
  })
  const socket = new WebSocket(url.replace('http:', 'ws:'), { dispatcher })
  await once(socket as never, 'open')
  socket.send('hello')
  const [message] = await once(socket as never, 'message')
  expect(message.data).toBe('echo hello')
  socket.close()
  await once(socket as never, 'close')
})

test('a project that is missing is a warning first and a 404 then, until it is there', async () => {
  const { url, warnings } = await deploy('early', 'return env.LATE.fetch(request)', {
    LATE: 'late',
  })
  expect(warnings).toEqual([expect.stringContaining('"late" that does not exist')])
  const missing = await cloud.live(url)
  expect(missing.status).toBe(404)
  expect(missing.json).toMatchObject({
    code: 'not_found',
    detail: 'This account has no project "late".',
  })
  await deploy('late', 'return new Response("here")')
  let text = ''
  for (let i = 0; i < 60 && text !== 'here'; i++) {
    await sleep(50)
    text = (await cloud.live(url)).text
  }
  expect(text).toBe('here')
  await cloud.jack.db
    .updateTable('project')
    .set({
      status: 'suspended',
      suspension: 'balance',
      suspended_at: new Date(),
      evidence: {},
    })
    .where('name', '=', 'late')
    .execute()
  cloud.jack.routes.forget(null)
  expect(await cloud.live(url)).toMatchObject({ status: 402, json: { code: 'project_suspended' } })
})

test('a request that is passed on in a circle ends after 16 apps', async () => {
  await deploy('there', 'return env.BACK.fetch(request)', { BACK: 'back' })
  const { url } = await deploy('back', 'return env.THERE.fetch(request)', { THERE: 'there' })
  const answer = await cloud.live(url)
  expect(answer).toMatchObject({ status: 508, json: { code: 'loop_detected' } })
  expect((await requestsOf('there')) + (await requestsOf('back'))).toBe(limits.services.hops + 1)
  // Nobody outside may end the way of another's request by saying that it was long.
  await deploy('fine', 'return new Response("fine")')
  const door = await deploy('door', 'return env.FINE.fetch(request)', { FINE: 'fine' })
  expect((await cloud.live(door.url, { headers: { 'x-jack-hops': '16' } })).text).toBe('fine')
})

const inside = (name: string, call: string) =>
  deploy(
    name,
    `if (new URL(request.url).pathname === "/alive") return new Response("alive"); return ${call}`,
    { SELF: name },
  )

test.each([
  ['new', 'makes a new request each time', 'env.SELF.fetch("http://x/")'],
  [
    'forged',
    'says that its request is new',
    'env.SELF.fetch("http://x/", { headers: { "x-jack-hops": "0" } })',
  ],
  [
    'later',
    'waits a while first',
    'new Promise((r) => setTimeout(r, 5)).then(() => env.SELF.fetch(new Request("http://x/", { method: "POST", body: "x" })))',
  ],
])('an app in a circle (%s) that %s is stopped after 16 calls', async (name, _, call) => {
  const { url } = await inside(`circle-${name}`, call)
  expect(await cloud.live(url)).toMatchObject({ status: 508, json: { code: 'loop_detected' } })
  expect(await requestsOf(`circle-${name}`)).toBe(limits.services.hops + 1)
})

test.each([
  ['single', 'outside(() => env.SELF.fetch("http://x/"))'],
  [
    'double',
    'outside(() => Promise.all([env.SELF.fetch("http://x/"), env.SELF.fetch("http://x/")]).then(([a]) => a))',
  ],
])('an app that hides a circle (%s) is stopped, and goes on for others', async (kind, call) => {
  const name = `hidden-${kind}`
  const files = {
    'wrangler.json': JSON.stringify({
      main: 'i.js',
      services: [{ binding: 'SELF', service: name }],
    }),
    'i.js': `import { AsyncLocalStorage } from "node:async_hooks"; const outside = AsyncLocalStorage.snapshot();
      export default { async fetch(request, env) {
        if (new URL(request.url).pathname === "/alive") return new Response("alive"); return ${call} } }`,
  }
  const { json } = await cloud.api('POST', '/deploy', { name, files })
  expect(await cloud.live(json.url)).toMatchObject({ status: 508, json: { code: 'loop_detected' } })
  expect((await cloud.live(`${json.url}/alive`)).text).toBe('alive')
  const requests = await requestsOf(name)
  expect(requests).toBeGreaterThan(limits.services.callsUnderWay)
  expect(requests).toBeLessThan(5 * limits.services.callsUnderWay)
})

test("another account's project is out of reach, whatever its name", async () => {
  const { slug } = (await cloud.api('GET', '/v1/me')).json
  const secret = 'return new Response("secret")'
  const theirs = await stranger('victim')
  await deploy('vault', secret, {}, theirs)
  const { project_id } = (await cloud.api('GET', '/v1/projects/vault', undefined, theirs)).json
  // Its live URL has the label that a project "a-b" of the attacker would have.
  const nested = await deploy('b', secret, {}, await stranger(`${slug}-a`))
  expect(new URL(nested.url).host).toMatch(new RegExp(`^${slug}-a-b\\.`))
  const { url } = await deploy(
    'thief',
    `const tries = { VAULT: env.VAULT, NESTED: env.NESTED };
    const said = []; for (const it of Object.values(tries))
      for (const headers of [{}, { host: "victim-vault.localhost", "x-forwarded-host": "victim-vault.localhost" }])
        said.push(await (await it.fetch("http://victim-vault.localhost/", { headers })).text());
    return Response.json(said)`,
    { VAULT: 'vault', NESTED: 'a-b' },
  )
  const { json } = await cloud.live(url)
  expect(json).toHaveLength(4)
  for (const text of json) expect(JSON.parse(text)).toMatchObject({ code: 'not_found' })
  const byId = {
    'wrangler.json': JSON.stringify({
      main: 'i.js',
      services: [{ binding: 'X', service: project_id }],
    }),
    'i.js': 'export default { fetch: (request, env) => env.X.fetch(request) }',
  }
  expect((await cloud.api('POST', '/deploy', { name: 'by-id', files: byId })).status).toBe(400)
})
