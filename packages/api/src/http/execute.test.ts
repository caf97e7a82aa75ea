import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const execute = (body: unknown, headers?: Record<string, string>) =>
  cloud.api('POST', '/execute', body, headers)

test('a program gets its input and answers its result', async () => {
  const { status, json } = await execute({
    code: 'export const run = ({ a, b }: { a: number; b: number }) => ({ sum: a + b })',
    input: { a: 20, b: 22 },
  })
  expect(status).toBe(200)
  expect(json).toEqual({
    execution_id: expect.stringMatching(/^exe_[0-9a-z]{24}$/),
    result: { sum: 42 },
    logs: [],
    duration_ms: expect.any(Number),
    cpu_ms: expect.any(Number),
    limits: {
      cpu_ms_limit: 50,
      wall_ms_limit: 5000,
      memory_mb_limit: 128,
      code_bytes_limit: 500_000,
    },
    charged_usd: '0.010000',
  })
})

test('default exports, async functions, logs and several files work', async () => {
  const { json } = await execute({
    files: {
      'index.ts':
        "import { twice } from './lib/twice.ts'\nexport default async (n: number) => { console.log('got', n); return twice(n) }",
      'lib/twice.ts': 'export const twice = (n: number) => n * 2',
    },
    input: 21,
  })
  expect(json).toMatchObject({ result: 42, logs: [{ level: 'log', message: 'got 21' }] })
})

test('each execution costs a cent, also one that throws, and a bundle that fails costs nothing', async () => {
  const before = await cloud.balance()
  const thrown = await execute({
    code: "export const run = () => { console.log('so far'); throw new Error('no') }",
  })
  expect(thrown.status).toBe(422)
  expect(thrown.headers['content-type']).toBe('application/problem+json')
  expect(thrown.json).toMatchObject({
    code: 'execution_failed',
    detail: expect.stringContaining('no'),
    logs: [{ level: 'log', message: 'so far' }],
    charged_usd: '0.010000',
    request_id: thrown.headers['x-request-id'],
  })
  expect(await cloud.balance()).toBeCloseTo(before - 0.01, 6)

  const broken = await execute({ code: 'export const run = () => {\n  return 1 +\n}' })
  expect(broken.status).toBe(422)
  expect(broken.json).toMatchObject({
    code: 'bundle_failed',
    errors: [{ line: 3, column: expect.any(Number), line_text: '}' }],
  })
  expect(await cloud.balance()).toBeCloseTo(before - 0.01, 6)
})

test('what is left of the balance that paid comes with the answer, and not with one that cost nothing', async () => {
  const code = 'export const run = () => 1'
  const all = await Promise.all([execute({ code }), execute({ code }), execute({ code })])
  const told = all.map(({ headers }) => headers['jack-balance-usd']).toSorted()
  const left = await cloud.balance()
  expect(told).toEqual([0, 0.01, 0.02].map((more) => (left + more).toFixed(6)))
  const key = { 'idempotency-key': 'told-once' }
  await execute({ code }, key)
  expect((await execute({ code }, key)).headers['jack-balance-usd']).toBeUndefined()
  expect((await cloud.api('GET', '/v1/me')).headers['jack-balance-usd']).toBeUndefined()
})

test('a stack names the places in the sources that were sent', async () => {
  const { json } = await execute({
    files: {
      'index.ts':
        "import { check } from './lib/check.ts'\n\nexport const run = (n: number) => check(n)",
      'lib/check.ts':
        "export function check(n: number): number {\n  if (n < 0) throw new RangeError('negative')\n  return n\n}",
    },
    input: -1,
  })
  expect(json.detail).toBe('RangeError: negative')
  const [, thrown, called, ...rest] = json.stack.split('\n')
  expect(thrown).toMatch(/lib\/check.ts:2:20/)
  expect(called).toMatch(/index.ts:3:/)
  expect(rest).toEqual([])
})

test('each limit ends the program, says which one it was and keeps its logs', async () => {
  const cpu = await execute({
    code: "export const run = () => { console.log('spinning'); for (;;); }",
  })
  expect(cpu.status).toBe(422)
  expect(cpu.json).toMatchObject({ code: 'cpu_limit_exceeded', logs: [{ message: 'spinning' }] })
  expect(cpu.json.cpu_ms).toBeGreaterThanOrEqual(50)

  const wall = await execute({
    code: 'export const run = () => new Promise((done) => setTimeout(done, 4000))',
    timeout_ms: 200,
  })
  expect(wall.json).toMatchObject({ code: 'wall_limit_exceeded', limits: { wall_ms_limit: 200 } })

  const output = await execute({ code: "export const run = () => 'x'.repeat(2_000_000)" })
  expect(output.json).toMatchObject({ code: 'output_too_large' })
})

test('there is no network and no secret inside', async () => {
  const { json } = await execute({
    code: `export const run = async () => {
      const failed = await fetch('${cloud.url}/healthz').then(() => null, (error) => String(error))
      return { failed, env: typeof process === 'undefined' ? {} : process.env }
    }`,
  })
  expect(json.result.failed).toMatch(/not permitted/)
  expect(json.result.env).toEqual({})
})

test.each([
  [{}, 'missing_files'],
  [{ files: {} }, 'missing_files'],
  [{ code: '' }, 'invalid_request'],
  [{ code: '1', files: { 'a.ts': '1' } }, 'invalid_request'],
  [{ code: '1', timeout_ms: -1 }, 'invalid_request'],
  [{ code: '1', unknown: true }, 'invalid_request'],
  [{ code: `//${'x'.repeat(600_000)}` }, 'code_too_large'],
  [{ files: { '../../etc/passwd': 'x', 'index.ts': '1' } }, 'invalid_request'],
])('bad input %j is refused before any payment', async (body, code) => {
  const before = await cloud.balance()
  const { status, json } = await execute(body)
  expect(json.code).toBe(code)
  expect(status).toBeLessThan(500)
  expect(json.hint ?? json.detail).toBeTruthy()
  expect(await cloud.balance()).toBe(before)
})

test('a body that is not JSON, or too large, is refused', async () => {
  const { url, token } = cloud
  const send = (body: string) =>
    fetch(`${url}/execute`, { method: 'POST', body, headers: { authorization: `Bearer ${token}` } })
  expect(await (await send('{')).json()).toMatchObject({
    code: 'invalid_request',
    detail: 'The body is not JSON.',
  })
  expect(await (await send(JSON.stringify({ code: 'x'.repeat(1_200_000) }))).json()).toMatchObject({
    code: 'body_too_large',
    status: 413,
  })
})

test('the same idempotency key runs and charges once, and another request under it is refused', async () => {
  const key = { 'idempotency-key': 'one-and-the-same' }
  const body = { code: 'export const run = () => Math.random()' }
  const before = await cloud.balance()
  const first = await execute(body, key)
  const again = await execute(body, key)
  expect(again.json).toEqual(first.json)
  expect(again.headers['idempotent-replayed']).toBe('true')
  expect(await cloud.balance()).toBeCloseTo(before - 0.01, 6)
  expect((await execute({ code: 'export const run = () => 1' }, key)).json.code).toBe(
    'idempotency_conflict',
  )
})

test('one key sent ten times at once runs once', async () => {
  const before = await cloud.balance()
  const body = {
    code: 'export const run = () => new Promise((done) => setTimeout(() => done(Math.random()), 100))',
  }
  const replies = await Promise.all(
    Array.from({ length: 10 }, () => execute(body, { 'idempotency-key': 'at-once' })),
  )
  const done = replies.filter((it) => it.status === 200)
  expect(done.length).toBeGreaterThanOrEqual(1)
  expect(new Set(done.map((it) => it.json.result)).size).toBe(1)
  expect(replies.filter((it) => it.status !== 200).every((it) => it.status === 409)).toBe(true)
  expect(await cloud.balance()).toBeCloseTo(before - 0.01, 6)
})

test('200 executions at once are all answered, and charged each', async () => {
  const before = await cloud.balance()
  const replies = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      for (;;) {
        const reply = await execute({ code: 'export const run = (n) => n', input: i })
        if (reply.status !== 429) return reply
        await new Promise((done) =>
          setTimeout(done, Number(reply.headers['retry-after']) * 1_000 * Math.random()),
        )
      }
    }),
  )
  expect(replies.map((it) => it.json.result)).toEqual(Array.from({ length: 200 }, (_, i) => i))
  expect(await cloud.balance()).toBeCloseTo(before - 2, 6)
}, 60_000)

test('a caller who leaves ends the program, and pays for it once it has started', async () => {
  const before = await cloud.balance()
  const leaving = new AbortController()
  const { url, token } = cloud
  const startedAt = performance.now()
  const left = fetch(`${url}/execute`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({
      code: 'export const run = () => new Promise((done) => setTimeout(done, 4500))',
    }),
    signal: leaving.signal,
  })
  setTimeout(() => leaving.abort(), 300)
  await expect(left).rejects.toThrow()
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/balance')).json.held_usd)
    .toBe('0.000000')
  expect(performance.now() - startedAt).toBeLessThan(3_500)
  expect(await cloud.balance()).toBeCloseTo(before - 0.01, 6)
})

test('who leaves and asks again under the same key pays once', async () => {
  const before = await cloud.balance()
  const body = JSON.stringify({
    code: 'export const run = () => new Promise((done) => setTimeout(done, 1000, "done"))',
  })
  const headers = { authorization: `Bearer ${cloud.token}`, 'idempotency-key': 'left' }
  const ask = (signal?: AbortSignal) =>
    fetch(`${cloud.url}/execute`, { method: 'POST', headers, body, ...(signal && { signal }) })
  await expect(ask(AbortSignal.timeout(300))).rejects.toThrow()
  await expect.poll(async () => (await ask()).status, { timeout: 10_000 }).toBe(200)
  await expect
    .poll(async () => (await cloud.api('GET', '/v1/balance')).json.held_usd)
    .toBe('0.000000')
  expect(await cloud.balance()).toBeCloseTo(before - 0.01, 6)
})

test('a quote says what it would cost and charges nothing', async () => {
  const before = await cloud.balance()
  const { json } = await cloud.api('POST', '/v1/quote', { code: 'export const run = () => 1' })
  expect(json).toMatchObject({ operation: 'execute', price_usd: '0.010000', deduplicated: false })
  expect(await cloud.balance()).toBe(before)
})

test('an account without enough balance is told so, and nothing runs', async () => {
  const poor = await testCloud({ JACK_LOCAL_CREDIT_USD: '0.015' })
  try {
    expect(
      (await poor.api('POST', '/execute', { code: 'export const run = () => 1' })).status,
    ).toBe(200)
    const refused = await poor.api('POST', '/execute', { code: 'export const run = () => 1' })
    expect(refused.status).toBe(402)
    expect(refused.json).toMatchObject({
      code: 'insufficient_balance',
      balance_usd: '0.005000',
      required_usd: '0.010000',
    })
  } finally {
    await poor.close()
  }
})
