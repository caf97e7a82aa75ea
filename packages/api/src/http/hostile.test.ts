import { createHash, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type OperationName, operations } from '@jackcloud/sdk/wire'
import { FormData, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as accounts from '../store/accounts.ts'
import { createLedgerAccount, grant } from '../store/ledger.ts'
import * as tokens from '../store/tokens.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

// What a tenant or a client might try who means no good.

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const as = (token: string) => ({ authorization: `Bearer ${token}` })
const code = 'export default { fetch: () => new Response("hi") }'

const uploadTo = (name: string, manifest: object, files: (string | Uint8Array)[]) => {
  const form = new FormData()
  form.append('manifest', JSON.stringify(manifest))
  for (const bytes of files) form.append(sha256(bytes), new Blob([bytes as string]))
  return cloud.api('POST', `/v1/projects/${name}/deployments/upload`, form)
}

const moduleOf = (name: string, bytes: string | Uint8Array, sizeBytes = bytes.length) => ({
  name,
  type: name.endsWith('.js') ? 'esm' : 'data',
  sha256: sha256(bytes),
  size_bytes: sizeBytes,
})

/** Another account, with money and a token. */
async function stranger(slug: string): Promise<string> {
  const { jack } = cloud
  const account = await accounts.ensure(jack.db, {
    accountId: jack.newId('acc'),
    slug,
    kind: 'person',
  })
  await createLedgerAccount(jack.db, account.accountId)
  await grant(jack.db, {
    id: `grant:${slug}`,
    accountId: account.accountId,
    amountMicroUsd: 1_000_000n,
  })
  const secret = tokens.newSecret()
  await tokens.add(
    jack.db,
    {
      tokenId: jack.newId('tok'),
      accountId: account.accountId,
      name: slug,
      scopes: ['admin'],
      projectId: null,
      dailyCapMicroUsd: null,
      expiresAt: null,
    },
    secret,
  )
  return secret
}

test('a file that is there already is not named with another size to get past the limits', async () => {
  const large = randomBytes(3 * 1_048_576)
  const kept = await uploadTo(
    'large',
    {
      main: null,
      modules: [],
      assets: { files: [{ path: '/a', sha256: sha256(large), size_bytes: large.length }] },
    },
    [large],
  )
  expect(kept.status).toBe(201)
  const lied = await uploadTo(
    'lied',
    {
      main: 'i.js',
      modules: [
        moduleOf('i.js', code),
        ...Array.from({ length: 20 }, (_, i) => moduleOf(`${i}.bin`, large, 0)),
      ],
    },
    [code],
  )
  expect(lied.json).toMatchObject({ code: 'invalid_request' })
  const asset = await uploadTo(
    'lied',
    {
      main: null,
      modules: [],
      assets: { files: [{ path: '/a', sha256: sha256(large), size_bytes: 5 }] },
    },
    [],
  )
  expect(asset.json).toMatchObject({ code: 'invalid_request' })
})

test('uploads that break off leave neither a file nor a descriptor', async () => {
  const incoming = () => readdirSync(join(cloud.jack.config.dataDir, 'blobs', 'incoming'))
  const bytes = randomBytes(400_000)
  const manifest = JSON.stringify({
    main: null,
    modules: [],
    assets: { files: [{ path: '/a', sha256: sha256(bytes), size_bytes: bytes.length }] },
  })
  const breakOff = async () => {
    const socket = connect(Number(new URL(cloud.url).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `POST /v1/projects/broken/deployments/upload HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${cloud.token}\r\n` +
        'content-type: multipart/form-data; boundary=b\r\ncontent-length: 500000\r\n\r\n' +
        `--b\r\ncontent-disposition: form-data; name="manifest"\r\n\r\n${manifest}\r\n` +
        `--b\r\ncontent-disposition: form-data; name="${sha256(bytes)}"; filename="a"\r\n\r\n`,
    )
    socket.write(bytes.subarray(0, 200_000))
    await sleep(100)
    socket.destroy()
  }
  await Promise.all(Array.from({ length: 20 }, breakOff))
  await expect.poll(incoming).toEqual([])
})

test('an upload that ends in the middle of a file is refused, and the server lives on', async () => {
  const bytes = randomBytes(50)
  const manifest = {
    main: null,
    modules: [],
    assets: { files: [{ path: '/a', sha256: sha256(bytes), size_bytes: 50 }] },
  }
  const part = (name: string) => `--b\r\ncontent-disposition: form-data; name="${name}"`
  const { statusCode, body } = await request(`${cloud.url}/v1/projects/cut/deployments/upload`, {
    method: 'POST',
    headers: { ...as(cloud.token), 'content-type': 'multipart/form-data; boundary=b' },
    body:
      `${part('manifest')}\r\n\r\n${JSON.stringify(manifest)}\r\n` +
      `${part(sha256(bytes))}; filename="a"\r\n\r\nabc`,
  })
  expect(await body.json()).toMatchObject({ code: 'invalid_request' })
  expect(statusCode).toBe(400)
  await sleep(50)
  expect((await cloud.api('GET', '/v1/me')).status).toBe(200)
})

test('what an app answers to its verification is read no further than it is told', async () => {
  const endless = `export default { fetch() {
    const chunk = new Uint8Array(1 << 20).fill(97)
    return new Response(new ReadableStream({ pull(c) { c.enqueue(chunk) } }), { status: 418 })
  } }`
  let most = 0
  const before = process.memoryUsage().rss
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss - before)
  }, 20)
  const started = performance.now()
  const { json } = await cloud.api('POST', '/deploy', {
    name: 'endless',
    files: { 'index.js': endless },
    verify: [{ path: '/' }],
  })
  clearInterval(timer)
  expect(json).toMatchObject({
    code: 'deploy_failed',
    verify: { status: 418, body: 'a'.repeat(2_000) },
  })
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(most).toBeLessThan(200 * 1_048_576)
})

test('patterns that match badly do not hold up everybody else', async () => {
  const { status, json } = await uploadTo(
    'patterns',
    {
      main: 'i.js',
      modules: [moduleOf('i.js', code)],
      assets: {
        files: [{ path: '/x', sha256: sha256(code), size_bytes: code.length }],
        worker_first: [`/${'*a'.repeat(20)}b`],
      },
    },
    [code],
  )
  expect(status, JSON.stringify(json)).toBe(201)
  const started = performance.now()
  expect((await cloud.live(`${json.url}/${'a'.repeat(120)}`)).text).toBe('hi')
  expect(performance.now() - started).toBeLessThan(1_000)
}, 20_000)

test('one account follows only so many logs at once, and only while its token works', async () => {
  await cloud.api('POST', '/v1/projects', { name: 'followed' })
  const made = await cloud.api('POST', '/v1/tokens', { name: 'f', scopes: ['read'] })
  const leave = new AbortController()
  const follow = () =>
    fetch(`${cloud.url}/v1/projects/followed/logs`, {
      headers: { ...as(made.json.token), accept: 'text/event-stream' },
      signal: leave.signal,
    })
  const all = await Promise.all(Array.from({ length: 80 }, follow))
  expect(all.some((it) => it.status === 429)).toBe(true)
  const open = all.find((it) => it.status === 200)
  await cloud.api('DELETE', `/v1/tokens/${made.json.token_id}`)
  await Promise.race([
    open?.text(),
    sleep(5_000).then(() => Promise.reject(new Error('still followed'))),
  ])
  leave.abort()
})

test('a confined token sees and ends only tokens of its project', async () => {
  await cloud.api('POST', '/v1/projects', { name: 'cell' })
  const victim = (await cloud.api('POST', '/v1/tokens', { name: 'victim', scopes: ['read'] })).json
  const cell = (
    await cloud.api('POST', '/v1/tokens', { name: 'cell', scopes: ['admin'], project: 'cell' })
  ).json
  const ended = await cloud.api(
    'DELETE',
    `/v1/tokens/${victim.token_id}`,
    undefined,
    as(cell.token),
  )
  expect(ended.status).toBe(404)
  const listed = await cloud.api('GET', '/v1/tokens', undefined, as(cell.token))
  expect(listed.json.tokens.map((it: { name: string }) => it.name)).toEqual(['cell'])
  expect(
    (await cloud.api('DELETE', `/v1/tokens/${cell.token_id}`, undefined, as(cell.token))).status,
  ).toBe(200)
})

test('a capped token does not get around its cap with a token of its own making', async () => {
  const capped = (
    await cloud.api('POST', '/v1/tokens', {
      name: 'capped',
      scopes: ['admin'],
      daily_cap_usd: '0.01',
    })
  ).json
  const run = (token: string) =>
    cloud.api('POST', '/execute', { code: 'export const run = () => 1' }, as(token))
  expect((await run(capped.token)).status).toBe(200)
  expect((await run(capped.token)).status).toBe(402)
  for (const more of [{}, { daily_cap_usd: '50' }, { daily_cap_usd: '0.01' }]) {
    const made = await cloud.api(
      'POST',
      '/v1/tokens',
      { name: 'more', scopes: ['execute'], ...more },
      as(capped.token),
    )
    if (made.status === 201 || made.status === 200)
      expect((await run(made.json.token)).status).toBe(402)
    else expect(made.json.code).toBe('forbidden')
  }
})

test('no token is kept in the clear, also not among the answers that are kept for repeats', async () => {
  const ask = () =>
    cloud.api(
      'POST',
      '/v1/tokens',
      { name: 'once', scopes: ['read'] },
      { 'idempotency-key': 'tok-1' },
    )
  const first = await ask()
  await cloud.jack.background.drain()
  expect((await ask()).json.token).toBe(first.json.token)
  const kept = await cloud.jack.db
    .selectFrom('idempotency')
    .selectAll()
    .where('key', '=', 'tok-1')
    .execute()
  expect(kept).toHaveLength(1)
  expect(JSON.stringify(kept)).not.toContain(first.json.token)
})

test.each([
  ['GET', '/v1/projects/a%00b', undefined],
  ['GET', '/v1/projects?cursor=%00', undefined],
  ['GET', '/v1/projects/texts/logs?query=%00', undefined],
  ['POST', '/v1/tokens', { name: 'a\0b' }],
  ['DELETE', '/v1/tokens/%00', undefined],
  ['POST', '/v1/projects/texts/rollback', { deployment_id: '\0' }],
  [
    'POST',
    '/deploy',
    { name: 'texts', files: { 'index.js': code, 'jack.json': '{"vars":{"A":"a\\ud800"}}' } },
  ],
])(
  'text that can not be stored is the mistake of who sent it: %s %s',
  async (method, path, body) => {
    await cloud.api('POST', '/v1/projects', { name: 'texts' })
    const { status, text } = await cloud.api(method, path, body)
    expect([400, 404], text).toContain(status)
  },
)

test('who leaves while an app thinks about a WebSocket lets go of the app', async () => {
  const slow = `export default { async fetch() {
    await new Promise((done) => setTimeout(done, 20_000))
    const [client, server] = Object.values(new WebSocketPair())
    server.accept()
    return new Response(null, { status: 101, webSocket: client })
  } }`
  const { json } = await cloud.api('POST', '/deploy', { name: 'ws', files: { 'index.js': slow } })
  for (let i = 0; i < 5; i++) {
    const socket = connect(Number(new URL(cloud.url).port), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `GET / HTTP/1.1\r\nhost: ${new URL(json.url).host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
        'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await sleep(40)
    socket.destroy()
  }
  const requests = () =>
    cloud.jack.engine.running().find((it) => it.deploymentId === json.deployment_id)?.requests
  await expect.poll(requests, { timeout: 1_500 }).toBe(0)
})

test('another account reaches nothing by name or by id', async () => {
  const mine = await cloud.api('POST', '/deploy', {
    name: 'secret',
    files: { 'index.js': code },
    env: { A: '1' },
  })
  const theirs = as(await stranger('mallory'))
  const { project_id: id, deployment_id: version } = mine.json
  const { json: all } = await cloud.api('GET', '/v1/tokens')
  for (const ref of ['secret', id]) {
    for (const [method, path, body] of [
      ['GET', `/v1/projects/${ref}`],
      ['PATCH', `/v1/projects/${ref}`, { ttl_hours: 1 }],
      ['DELETE', `/v1/projects/${ref}`],
      ['GET', `/v1/projects/${ref}/deployments`],
      ['POST', `/v1/projects/${ref}/deployments/${version}/promote`],
      ['POST', `/v1/projects/${ref}/rollback`, { deployment_id: version }],
      ['GET', `/v1/projects/${ref}/env`],
      ['PATCH', `/v1/projects/${ref}/env`, { env: { A: '2' } }],
      ['GET', `/v1/projects/${ref}/logs`],
      ['GET', `/v1/projects/${ref}/usage`],
    ] as const) {
      const { status, text } = await cloud.api(method, path, body, theirs)
      expect([method, path, status], text).toEqual([method, path, 404])
    }
  }
  await cloud.api('POST', '/v1/projects', { name: 'own' }, theirs)
  for (const [path, body] of [
    [`/v1/projects/own/deployments/${version}/promote`, undefined],
    ['/v1/projects/own/rollback', { deployment_id: version }],
  ] as const) {
    expect((await cloud.api('POST', path, body, theirs)).status).toBe(404)
  }
  expect(
    (await cloud.api('GET', `/v1/projects/own/logs?deployment=${version}`, undefined, theirs)).json
      .logs,
  ).toEqual([])
  expect(
    (await cloud.api('DELETE', `/v1/tokens/${all.tokens[0].token_id}`, undefined, theirs)).status,
  ).toBe(404)
  const took = await uploadTo(id, { main: 'i.js', modules: [moduleOf('i.js', code)] }, [code])
  expect(took.status).toBe(201)
  expect((await cloud.api('GET', `/v1/projects/${id}/env`)).json.env).toHaveLength(1)
})

test('no operation on a project is open to another account, or to a token of another project', async () => {
  await cloud.api('POST', '/v1/projects', { name: 'other' })
  const { token } = (
    await cloud.api('POST', '/v1/tokens', { name: 'other', scopes: ['admin'], project: 'other' })
  ).json
  const theirs = await stranger('eve')
  const { json } = await cloud.api('POST', '/deploy', {
    name: 'closed',
    files: { 'index.js': code },
  })
  const bodies: Partial<Record<OperationName, object>> = {
    queryDatabase: { sql: 'select 1' },
    updateEnv: { env: { A: '1' } },
    stageFiles: { files: { 'a.js': '1' } },
  }
  for (const [name, it] of Object.entries(operations)) {
    if (!it.path.includes('/:project') || name === 'upload') continue
    for (const [secret, status, refs] of [
      [theirs, 404, [json.project_id]],
      [token, 403, [json.project_id, 'closed']],
    ] as const) {
      for (const ref of refs) {
        const path = it.path
          .replace(':project', ref)
          .replace(':deployment', json.deployment_id)
          .replace(':database', 'main')
        const body = 'body' in it ? (bodies[name as OperationName] ?? {}) : undefined
        const answer = await cloud.api(it.method, `${path}?path=a.js`, body, as(secret))
        expect([name, ref, answer.status], answer.text).toEqual([name, ref, status])
      }
    }
  }
  const manifest = { main: 'i.js', modules: [moduleOf('i.js', code)] }
  const form = new FormData()
  form.append('manifest', JSON.stringify(manifest))
  form.append(sha256(code), new Blob([code]))
  const upload = `/v1/projects/${json.project_id}/deployments/upload`
  expect((await cloud.api('POST', upload, form, as(token))).status).toBe(403)
  expect((await cloud.api('POST', upload, form, as(theirs))).status).toBe(404)
})

test('a confined token is not answered what another token was, also not under its key', async () => {
  await cloud.api('POST', '/v1/projects', { name: 'vault' })
  await cloud.api('POST', '/v1/projects', { name: 'yard' })
  const { token } = (
    await cloud.api('POST', '/v1/tokens', { name: 'yard', scopes: ['admin'], project: 'yard' })
  ).json
  const ask = (headers: object) =>
    cloud.api(
      'POST',
      '/v1/projects/vault/databases/main/query',
      { sql: "select 'secret'" },
      { 'idempotency-key': 'guessed', ...headers },
    )
  expect((await ask({})).text).toContain('secret')
  const guessed = await ask(as(token))
  expect(guessed.json.code).toBe('idempotency_conflict')
  expect(guessed.text).not.toContain('secret')
})

test('a token ends with its project, and never reaches the next one of that name', async () => {
  await cloud.api('POST', '/v1/projects', { name: 'reborn' })
  const { json } = await cloud.api('POST', '/v1/tokens', {
    name: 'ci',
    scopes: ['deploy'],
    project: 'reborn',
  })
  await cloud.api('DELETE', '/v1/projects/reborn')
  await cloud.api('POST', '/v1/projects', { name: 'reborn' })
  expect((await cloud.api('GET', '/v1/projects/reborn', undefined, as(json.token))).status).toBe(
    401,
  )
})

test('a project whose time is over comes back with a deploy, also of what was live', async () => {
  const deploy = () =>
    cloud.api('POST', '/deploy', { name: 'brief', files: { 'index.js': code }, ttl_hours: 1 })
  const first = await deploy()
  // As it is until the next sweep.
  await cloud.jack.db
    .updateTable('project')
    .set({ expires_at: new Date(Date.now() - 1) })
    .where('project_id', '=', first.json.project_id)
    .execute()
  const again = await deploy()
  expect(again.json).toMatchObject({ deduplicated: false })
  expect((await cloud.live(again.json.url)).status).toBe(200)
})

test('an upload that its token may not make keeps and costs nothing', async () => {
  const before = await cloud.balance()
  const { json } = await cloud.api('POST', '/v1/tokens', {
    name: 'reader',
    scopes: ['read'],
  })
  const manifest = { main: 'i.js', modules: [moduleOf('i.js', code)] }
  const form = new FormData()
  form.append('manifest', JSON.stringify(manifest))
  form.append(sha256(code), new Blob([code]))
  const path = '/v1/projects/unread/deployments/upload'
  expect((await cloud.api('POST', path, form, as(json.token))).status).toBe(403)
  expect((await cloud.api('GET', '/v1/projects/unread')).status).toBe(404)
  expect(await cloud.balance()).toBe(before)
})

test('one idempotency key for two endpoints is refused, and what was lost costs nothing', async () => {
  const key = { 'idempotency-key': 'both' }
  const before = await cloud.balance()
  const ran = await cloud.api('POST', '/execute', { code: 'export const run = () => 1' }, key)
  expect(ran.status).toBe(200)
  const other = await cloud.api(
    'POST',
    '/deploy',
    { name: 'both', files: { 'index.js': code } },
    key,
  )
  expect(other.json.code).toBe('idempotency_conflict')
  await cloud.jack.background.drain()
  expect(Math.round((before - (await cloud.balance())) * 100)).toBe(1)
})
