import { createHash } from 'node:crypto'
import { FormData } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const worker = (text: string) =>
  `export default { fetch: (request: Request, env: any) => new Response(${JSON.stringify(text)} + (env.WORD ?? '')) }`

const deploy = (name: string, text: string, more: object = {}) =>
  cloud.api('POST', '/deploy', { name, files: { 'src/index.ts': worker(text) }, ...more })

test('sources go live at a URL, and every version keeps its own', async () => {
  const first = await deploy('two-versions', 'one')
  expect(first.status).toBe(201)
  expect(first.json).toEqual({
    url: `http://local-two-versions.${cloud.jack.urls.authority}`,
    deployment_url: expect.stringMatching(/^http:\/\/dep-[0-9a-z]{24}\.localhost:\d+$/),
    deployment_id: expect.stringMatching(/^dep_/),
    project_id: expect.stringMatching(/^prj_/),
    name: 'two-versions',
    expires_at: expect.stringMatching(/^20/),
    ttl_hours: null,
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    deduplicated: false,
    created: true,
    size_bytes: expect.any(Number),
    warnings: [],
    charged_usd: '0.050000',
  })
  expect((await cloud.live(first.json.url)).text).toBe('one')

  const second = await deploy('two-versions', 'two')
  expect(second.json).toMatchObject({ created: false, url: first.json.url })
  expect((await cloud.live(first.json.url)).text).toBe('two')
  expect((await cloud.live(first.json.deployment_url)).text).toBe('one')
  expect((await cloud.live(second.json.deployment_url)).text).toBe('two')
})

test('a deploy without change says so and costs nothing', async () => {
  const first = await deploy('unchanged', 'same')
  const before = await cloud.balance()
  const again = await deploy('unchanged', 'same')
  expect(again.json).toMatchObject({
    deduplicated: true,
    deployment_id: first.json.deployment_id,
    charged_usd: '0.000000',
  })
  expect(await cloud.balance()).toBe(before)
})

test('rollback and promote move traffic between versions, free of charge', async () => {
  const [one, two, three] = [
    await deploy('back', '1'),
    await deploy('back', '2'),
    await deploy('back', '3'),
  ]
  const before = await cloud.balance()
  const now = async () => (await cloud.live(one.json.url)).text
  const rolled = await cloud.api('POST', '/v1/projects/back/rollback', {})
  expect(rolled.json).toMatchObject({
    deployment_id: two.json.deployment_id,
    previous_deployment_id: three.json.deployment_id,
  })
  expect(await now()).toBe('2')
  await cloud.api('POST', '/v1/projects/back/rollback', {})
  expect(await now()).toBe('1')
  expect((await cloud.api('POST', '/v1/projects/back/rollback', {})).json.code).toBe('conflict')
  await cloud.api('POST', `/v1/projects/back/deployments/${three.json.deployment_id}/promote`)
  expect(await now()).toBe('3')
  const other = await deploy('not-back', 'x')
  const wrong = await cloud.api(
    'POST',
    `/v1/projects/back/deployments/${other.json.deployment_id}/promote`,
  )
  expect(wrong.json.code).toBe('not_found')
  expect(await cloud.balance()).toBeCloseTo(before - 0.05, 6)
})

test('a version that does not start is not kept, not charged, and the old one stays live', async () => {
  const good = await deploy('steady', 'good')
  const before = await cloud.balance()
  const bad = await cloud.api('POST', '/deploy', {
    name: 'steady',
    files: { 'index.ts': "throw new Error('broken at start')\nexport default {}" },
  })
  expect(bad.status).toBe(502)
  expect(bad.json).toMatchObject({ code: 'deploy_failed' })
  expect(JSON.stringify(bad.json)).toContain('broken at start')
  expect((await cloud.live(good.json.url)).text).toBe('good')
  expect(await cloud.balance()).toBe(before)
  const { json } = await cloud.api('GET', '/v1/projects/steady/deployments')
  expect(json.deployments).toHaveLength(1)
})

test('verification stands between a version and traffic', async () => {
  const files = (status: number) => ({
    'index.ts': `export default { fetch: (r) => new Response('v${status}', { status: new URL(r.url).pathname === '/health' ? ${status} : 200 }) }`,
  })
  const verify = [{ path: '/health', status: 200 }]
  const good = await cloud.api('POST', '/deploy', { name: 'verified', files: files(200), verify })
  expect(good.status).toBe(201)
  const before = await cloud.balance()
  const bad = await cloud.api('POST', '/deploy', { name: 'verified', files: files(500), verify })
  expect(bad.json).toMatchObject({
    code: 'deploy_failed',
    verify: { path: '/health', expected: 200, status: 500, body: 'v500' },
  })
  expect((await cloud.live(good.json.url)).text).toBe('v200')
  expect(await cloud.balance()).toBe(before)
})

test('environment: set with a deploy, merged by PATCH, never shown, and running apps take it over', async () => {
  const { json } = await deploy('with-env', 'word=', { env: { WORD: 'first', OTHER: 'x' } })
  expect((await cloud.live(json.url)).text).toBe('word=first')
  const patched = await cloud.api('PATCH', '/v1/projects/with-env/env', {
    env: { WORD: 'second', OTHER: null },
  })
  expect(patched.json).toEqual({ env: [{ name: 'WORD', updated_at: expect.any(String) }] })
  expect(patched.text).not.toContain('second')
  await expect.poll(async () => (await cloud.live(json.url)).text).toBe('word=second')
  expect((await deploy('with-env', 'word=', { env: { WORD: 'second' } })).json.deduplicated).toBe(
    true,
  )
  expect((await deploy('with-env', 'word=', { env: { WORD: 'third' } })).json.deduplicated).toBe(
    false,
  )
  expect((await cloud.live(json.url)).text).toBe('word=third')
  expect(
    (await cloud.api('PATCH', '/v1/projects/with-env/env', { env: { 'A B': 'x' } })).json.code,
  ).toBe('invalid_request')
})

test('logs of an app can be read, filtered and followed', async () => {
  const { json } = await cloud.api('POST', '/deploy', {
    name: 'chatty',
    files: {
      'index.ts': `export default { fetch(r) { console.log('visit', new URL(r.url).pathname); console.error('trouble'); return new Response('ok') } }`,
    },
  })
  await cloud.live(`${json.url}/a`)
  const read = async (query = '') =>
    (await cloud.api('GET', `/v1/projects/chatty/logs${query}`)).json.logs
  await expect
    .poll(() => read())
    .toMatchObject([
      { level: 'log', message: 'visit /a', deployment_id: json.deployment_id },
      { level: 'error', message: 'trouble' },
    ])
  expect(await read('?level=error')).toHaveLength(1)
  expect(await read('?query=VISIT')).toHaveLength(1)
  expect(await read('?since=1h&until=1m')).toHaveLength(0)

  const stream = await fetch(`${cloud.url}/v1/projects/chatty/logs?since=1h`, {
    headers: { authorization: `Bearer ${cloud.token}`, accept: 'text/event-stream' },
  })
  const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader()
  let seen = ''
  await cloud.live(`${json.url}/b`)
  while (!seen.includes('visit /b')) seen += (await reader?.read())?.value
  expect(seen).toMatch(/id: \d+/)
  await reader?.cancel()
})

test('usage counts requests, errors and CPU', async () => {
  const { json } = await cloud.api('POST', '/deploy', {
    name: 'counted',
    files: {
      'index.ts': `export default { fetch(r) { if (r.url.endsWith('/bad')) return new Response('', { status: 500 }); let sum = 0; for (let i = 0; i < 60_000_000; i++) sum += i % 7; return new Response(String(sum)) } }`,
    },
  })
  for (const path of ['/', '/', '/bad']) await cloud.live(json.url + path)
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/projects/counted/usage')).json.total)
    .toMatchObject({ requests: 3, errors: 1, cpu_ms: expect.toSatisfy((ms: number) => ms > 30) })
})

test('a project reads, changes, expires and is deleted', async () => {
  const { json } = await deploy('short', 'brief', { ttl_hours: 1, budget_usd: '2.5' })
  expect(json.ttl_hours).toBe(1)
  const read = await cloud.api('GET', '/v1/projects/short')
  expect(read.json).toMatchObject({
    name: 'short',
    status: 'active',
    budget_usd: '2.500000',
    url: json.url,
  })
  expect((await cloud.api('PATCH', '/v1/projects/short', { ttl_hours: null })).json).toMatchObject({
    ttl_hours: null,
    expires_at: expect.any(String),
  })

  await cloud.api('PATCH', '/v1/projects/short', { ttl_hours: 0.00002 })
  await expect.poll(async () => (await cloud.live(json.url)).status).toBe(410)
  await deploy('short', 'again', { ttl_hours: 1 })
  expect((await cloud.live(json.url)).text).toBe('again')

  expect((await cloud.api('DELETE', '/v1/projects/short')).json).toEqual({
    deleted: true,
    id: json.project_id,
  })
  expect((await cloud.live(json.url)).status).toBe(404)
  expect((await cloud.api('GET', '/v1/projects/short')).json.code).toBe('not_found')
})

test('lists go page by page', async () => {
  for (const name of ['page-a', 'page-b', 'page-c'])
    await cloud.api('POST', '/v1/projects', { name })
  const names: string[] = []
  let cursor = ''
  do {
    const { json } = await cloud.api('GET', `/v1/projects?limit=2${cursor && `&cursor=${cursor}`}`)
    names.push(...json.projects.map((it: { name: string }) => it.name))
    cursor = json.next_cursor
  } while (cursor)
  expect(names).toEqual(expect.arrayContaining(['page-a', 'page-b', 'page-c']))
  expect(new Set(names).size).toBe(names.length)
})

const sha256 = (bytes: string) => createHash('sha256').update(bytes).digest('hex')

function upload(modules: Record<string, string>, more: object = {}, sent = modules) {
  const form = new FormData()
  const manifest = {
    main: Object.keys(modules)[0] ?? null,
    modules: Object.entries(modules).map(([name, text]) => ({
      name,
      type: 'esm',
      sha256: sha256(text),
      size_bytes: Buffer.byteLength(text),
    })),
    ...more,
  }
  form.append('manifest', JSON.stringify(manifest))
  for (const text of Object.values(sent)) form.append(sha256(text), new Blob([text]))
  return form
}

const code = 'export default { fetch: () => new Response("uploaded") }'

test('a client that bundles by itself uploads modules', async () => {
  const { status, json } = await cloud.api(
    'POST',
    '/v1/projects/uploaded/deployments/upload',
    upload({ 'index.js': code }),
  )
  expect(status).toBe(201)
  expect((await cloud.live(json.url)).text).toBe('uploaded')
})

test.each([
  [
    'a file that the manifest does not name',
    () => upload({ 'index.js': code }, {}, { 'index.js': code, x: 'surplus' }),
  ],
  ['a manifest without its files', () => upload({ 'index.js': `${code}//never sent` }, {}, {})],
  ['nothing at all', () => upload({})],
  ['an entry that is not there', () => upload({ 'index.js': code }, { main: 'other.js' })],
  ['an odd setting', () => upload({ 'index.js': code }, { surprise: true })],
])('an upload with %s is refused and costs nothing', async (_, form) => {
  const before = await cloud.balance()
  const { status, json } = await cloud.api(
    'POST',
    '/v1/projects/refused/deployments/upload',
    form(),
  )
  expect(status).toBe(400)
  expect(['invalid_request', 'missing_files']).toContain(json.code)
  expect(await cloud.balance()).toBe(before)
  expect((await cloud.api('GET', '/v1/projects/refused')).status).toBe(404)
})

test('content under a wrong sha256 is refused', async () => {
  const form = upload({ 'index.js': `${code}//a` }, {}, {})
  form.append(sha256(`${code}//a`), new Blob([`${code}//b`]))
  const { json } = await cloud.api('POST', '/v1/projects/forged/deployments/upload', form)
  expect(json).toMatchObject({ code: 'invalid_request', detail: expect.stringContaining('sha256') })
})

test('if_exists: refuse protects a project that is there', async () => {
  await deploy('mine', 'a')
  const { status, json } = await deploy('mine', 'b', { if_exists: 'refuse' })
  expect(status).toBe(409)
  expect(json.code).toBe('name_taken')
})

test('who can not pay stores nothing', async () => {
  const poor = await testCloud({ JACK_LOCAL_CREDIT_USD: '0.06' })
  try {
    const send = (name: string, text: string) =>
      poor.api('POST', '/deploy', { name, files: { 'index.ts': worker(text) } })
    expect((await send('first', 'a')).status).toBe(201)
    expect((await send('second', 'b')).json).toMatchObject({ code: 'insufficient_balance' })
    const form = upload({ 'index.js': `${code}//unpaid` })
    const refused = await poor.api('POST', '/v1/projects/third/deployments/upload', form)
    expect(refused.json).toMatchObject({ code: 'insufficient_balance', balance_usd: '0.010000' })
    expect(await poor.jack.blobs.keep(sha256(`${code}//unpaid`))).toBe(undefined)
    expect((await send('first', 'a')).json).toMatchObject({ deduplicated: true })
  } finally {
    await poor.close()
  }
})

test('the same version sent many times at once is deployed and paid once', async () => {
  await deploy('at-once', 'before')
  const before = await cloud.balance()
  const replies = await Promise.all(Array.from({ length: 5 }, () => deploy('at-once', 'after')))
  expect(replies.map((it) => it.status)).toEqual([201, 201, 201, 201, 201])
  expect(replies.filter((it) => !it.json.deduplicated)).toHaveLength(1)
  expect(new Set(replies.map((it) => it.json.deployment_id)).size).toBe(1)
  expect(await cloud.balance()).toBeCloseTo(before - 0.05, 6)
})

test('deploys that fail again and again have to wait', async () => {
  const unlucky = await testCloud()
  try {
    const files = { 'index.ts': "throw new Error('never')\nexport default {}" }
    const codes = []
    for (let i = 0; i < 32; i++) {
      codes.push((await unlucky.api('POST', '/deploy', { name: 'unlucky', files })).json.code)
    }
    expect(codes.slice(0, 30)).toEqual(Array(30).fill('deploy_failed'))
    expect(codes.slice(30)).toEqual(['rate_limited', 'rate_limited'])
  } finally {
    await unlucky.close()
  }
})

test('flags that open the runtime are refused', async () => {
  const form = upload({ 'index.js': code }, { compatibility_flags: ['unsafe_module'] })
  const { json } = await cloud.api('POST', '/v1/projects/flags/deployments/upload', form)
  expect(json).toMatchObject({
    code: 'invalid_request',
    detail: expect.stringContaining('unsafe_module'),
  })
})

test('50 deploys at once all go live', async () => {
  const before = await cloud.balance()
  const replies = await Promise.all(
    Array.from({ length: 50 }, (_, i) => deploy(`parallel-${i}`, `app ${i}`)),
  )
  expect(replies.map((it) => it.status)).toEqual(replies.map(() => 201))
  const texts = await Promise.all(replies.map((it) => cloud.live(it.json.url)))
  expect(texts.map((it) => it.text)).toEqual(replies.map((_, i) => `app ${i}`))
  expect(await cloud.balance()).toBeCloseTo(before - 2.5, 6)
}, 90_000)

test('the receipts add up to the balance', async () => {
  let sum = 0
  let cursor = ''
  do {
    const { json } = await cloud.api(
      'GET',
      `/v1/receipts?limit=100${cursor && `&cursor=${cursor}`}`,
    )
    for (const it of json.receipts) sum += Number(it.amount_usd)
    cursor = json.next_cursor
  } while (cursor)
  const { json } = await cloud.api('GET', '/v1/balance')
  expect(sum).toBeCloseTo(Number(json.balance_usd) + Number(json.held_usd), 6)
})
