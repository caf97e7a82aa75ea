import { expect, test } from 'vitest'
import { fakeServer, type Reply } from './fakeServer.test.support.ts'
import { createJack } from './Jack.ts'
import { JackError } from './JackError.ts'
import type { FileBytes } from './multipart.ts'

const problem = (status: number, code: string, more = {}): Reply => ({
  status,
  body: { type: 'about:blank', title: 'T', status, detail: 'It went wrong.', code, ...more },
})
const executed = { execution_id: 'exe_1', result: 3, logs: [], duration_ms: 1, cpu_ms: 1 }

const failing = (work: Promise<unknown>): Promise<JackError> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error) => error,
  )

test('a POST is sent again under the same key, and its body is the same', async () => {
  await using api = await fakeServer((_, attempt) =>
    attempt === 1
      ? { hangUp: true }
      : attempt === 2
        ? problem(503, 'unavailable')
        : { body: executed },
  )
  const jack = createJack({ url: api.url, token: 'jkt_test' })
  const answer = await jack.execute({ code: 'export const run = () => 3' })
  expect(answer.result).toBe(3)
  expect(api.seen.map(({ method, path }) => `${method} ${path}`)).toEqual(
    Array(3).fill('POST /execute'),
  )
  expect(new Set(api.seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(1)
  expect(new Set(api.seen.map(({ body }) => body)).size).toBe(1)
  expect(api.seen[0]?.headers.authorization).toBe('Bearer jkt_test')
})

test('every POST has a key of its own, and a given one is used', async () => {
  await using api = await fakeServer(() => ({ body: executed }))
  const jack = createJack({ url: api.url })
  await jack.execute({ code: 'a' })
  await jack.execute({ code: 'a' })
  await jack.execute({ code: 'a' }, { idempotencyKey: 'mine' })
  const keys = api.seen.map(({ headers }) => headers['idempotency-key'])
  expect(new Set(keys).size).toBe(3)
  expect(keys[2]).toBe('mine')
})

test('after 429 the time that was asked for is waited', async () => {
  await using api = await fakeServer((_, attempt) =>
    attempt === 1
      ? { ...problem(429, 'rate_limited'), headers: { 'retry-after': '1' } }
      : { body: { projects: [], next_cursor: null } },
  )
  const began = performance.now()
  await createJack({ url: api.url }).projects.list()
  expect(performance.now() - began).toBeGreaterThan(950)
})

test('a wait longer than half a minute is left to the caller', async () => {
  await using api = await fakeServer(() => ({
    ...problem(429, 'rate_limited'),
    headers: { 'retry-after': '3600' },
  }))
  const error = await failing(createJack({ url: api.url }).me())
  expect(error.code).toBe('rate_limited')
  expect(api.seen).toHaveLength(1)
})

test('what another try would not change is not tried again', async () => {
  for (const [status, code] of [
    [422, 'execution_failed'],
    [500, 'internal'],
    [502, 'deploy_failed'],
    [409, 'name_taken'],
  ] as const) {
    await using api = await fakeServer(() => problem(status, code))
    expect((await failing(createJack({ url: api.url }).deploy({ files: {} }))).code).toBe(code)
    expect(api.seen).toHaveLength(1)
  }
})

test('a change that has no key is not repeated after the network failed', async () => {
  await using api = await fakeServer(() => ({ hangUp: true }))
  const error = await failing(createJack({ url: api.url }).projects.delete('my-api'))
  expect(error.code).toBe('network')
  expect(api.seen).toHaveLength(1)
})

test('a problem becomes a JackError with everything the API said', async () => {
  const next = [{ command: 'jack ls', when: 'to see' }]
  await using api = await fakeServer(() =>
    problem(422, 'execution_failed', {
      hint: 'Look.',
      next,
      request_id: 'req_1',
      logs: [{ level: 'log', message: 'hi' }],
    }),
  )
  const error = await failing(createJack({ url: api.url }).execute({ code: 'x' }))
  expect(error).toBeInstanceOf(JackError)
  expect(error.toJSON()).toEqual({
    code: 'execution_failed',
    message: 'It went wrong.',
    hint: 'Look.',
    next,
    status: 422,
    request_id: 'req_1',
    logs: [{ level: 'log', message: 'hi' }],
  })
})

test('an answer that is not from Jack is said to be so', async () => {
  await using api = await fakeServer(() => ({ status: 404, body: '<html>' }))
  const error = await failing(createJack({ url: api.url }).me())
  expect([error.code, error.status, error.hint]).toEqual([
    'not_found',
    404,
    'Is this the URL of a Jack Cloud?',
  ])
  await using page = await fakeServer(() => ({ body: '<html>' }))
  expect((await failing(createJack({ url: page.url }).me())).code).toBe('bad_answer')
})

test('nobody there is a network error that names the URL and the way on', async () => {
  const error = await failing(createJack({ url: 'http://127.0.0.1:9', retries: 0 }).me())
  expect(error.code).toBe('network')
  expect(error.message).toContain('http://127.0.0.1:9')
  expect(error.hint).toBe('Is `jack up` running?')
})

test('an answer that does not come is a timeout, and a signal ends the call with its reason', async () => {
  await using api = await fakeServer(() => ({ afterMs: 5_000 }))
  const slow = createJack({ url: api.url, timeoutMs: 50, retries: 0 })
  expect((await failing(slow.me())).code).toBe('timeout')
  const reason = new Error('enough')
  const controller = new AbortController()
  setTimeout(() => controller.abort(reason), 20)
  await expect(createJack({ url: api.url }).me({ signal: controller.signal })).rejects.toBe(reason)
})

test('a token never gets into an error', async () => {
  const token = 'jkt_secretsecret'
  for (const work of [
    () => createJack({ token: `${token}\n` }).me(),
    () => createJack({ url: 'http://127.0.0.1:9', token, retries: 0 }).me(),
    () => createJack({ url: `ftp://user:${token}@host`, token }).me(),
  ]) {
    const error = await failing(Promise.resolve().then(work))
    expect(JSON.stringify(error) + error.message + error.stack).not.toContain(token)
  }
})

test('a name that would lead to another path is refused before anything is sent', async () => {
  const jack = createJack({ url: 'http://127.0.0.1:9', retries: 0 })
  for (const name of ['', '.', '..'])
    expect(() => jack.projects.get(name)).toThrow('is not the name')
  await using api = await fakeServer(() => ({ body: {} }))
  await createJack({ url: `${api.url}/` }).projects.get('../tokens?x#y')
  expect(api.seen[0]?.path).toBe('/v1/projects/..%2Ftokens%3Fx%23y')
})

test('a list is read page by page', async () => {
  await using api = await fakeServer(({ path }) => ({
    body: path.includes('cursor=two')
      ? { projects: [{ name: 'c' }], next_cursor: null }
      : { projects: [{ name: 'a' }, { name: 'b' }], next_cursor: 'two' },
  }))
  const all = await Array.fromAsync(createJack({ url: api.url }).projects.all({ limit: 2 }))
  expect(all.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
  expect(api.seen.map(({ path }) => path)).toEqual([
    '/v1/projects?limit=2',
    '/v1/projects?limit=2&cursor=two',
  ])
})

test('an upload that is sent again has the same bytes, with its files read anew', async () => {
  await using api = await fakeServer((_, attempt) =>
    attempt === 1 ? problem(503, 'unavailable') : { body: {} },
  )
  const manifest = { main: 'index.js', modules: [] }
  let reads = 0
  const files = new Map<string, FileBytes>([
    ['a'.repeat(64), new TextEncoder().encode('code')],
    ['b'.repeat(64), async () => new TextEncoder().encode(`page ${++reads > 0}`)],
  ])
  await createJack({ url: api.url }).projects.upload('my-api', manifest, files)
  expect(reads).toBe(2)
  expect(api.seen[0]?.body).toBe(api.seen[1]?.body)
  const { body = '', headers } = api.seen[1] ?? {}
  const form = await new Response(body, {
    headers: { 'content-type': headers?.['content-type'] ?? '' },
  }).formData()
  expect([...form.keys()]).toEqual(['manifest', 'a'.repeat(64), 'b'.repeat(64)])
  expect(JSON.parse(form.get('manifest') as string)).toEqual(manifest)
  expect(await (form.get('b'.repeat(64)) as File).text()).toBe('page true')
})

test('a followed log goes on after the line where the connection was lost', async () => {
  const line = (id: number) =>
    `id: ${id}\nevent: log\ndata: ${JSON.stringify({ id: String(id), message: `m${id}` })}\n\n`
  await using api = await fakeServer((_, attempt) =>
    attempt === 2
      ? { hangUp: true }
      : { headers: { 'content-type': 'text/event-stream' }, body: `: hello\n\n${line(attempt)}` },
  )
  const lines: string[] = []
  for await (const { message } of createJack({ url: api.url }).projects.followLogs('my-api', {
    level: 'warn',
  })) {
    lines.push(message)
    if (lines.length === 3) break
  }
  expect(lines).toEqual(['m1', 'm3', 'm4'])
  expect(api.seen.map(({ headers }) => headers['last-event-id'])).toEqual([
    undefined,
    '1',
    '1',
    '3',
  ])
  expect(api.seen[0]?.path).toBe('/v1/projects/my-api/logs?level=warn')
})

test('following a project that is gone ends with its error', async () => {
  await using api = await fakeServer(() => problem(404, 'not_found'))
  const lines = createJack({ url: api.url }).projects.followLogs('gone')
  expect((await failing(lines.next())).code).toBe('not_found')
})
