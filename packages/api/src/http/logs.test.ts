import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud({ JACK_APP_LOG_LINES: '50' })
})
afterAll(() => cloud.close())

async function deploy(name: string, files: Record<string, string>) {
  const { status, json } = await cloud.api('POST', '/deploy', { name, files })
  expect(status, JSON.stringify(json)).toBe(201)
  return json as { url: string; deployment_id: string; project_id: string }
}

const read = async (name: string, query = '') =>
  (await cloud.api('GET', `/v1/projects/${name}/logs${query}`)).json.logs

/** A followed stream: its events as they come. */
function follow(name: string, query = '', headers: Record<string, string> = {}) {
  const gone = new AbortController()
  const events: { id: string; event: string; data: string }[] = []
  const over = (async () => {
    const { body } = await fetch(`${cloud.url}/v1/projects/${name}/logs${query}`, {
      headers: { authorization: `Bearer ${cloud.token}`, accept: 'text/event-stream', ...headers },
      signal: gone.signal,
    })
    let rest = ''
    for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const parts = (rest + text).split('\n\n')
      rest = parts.pop() as string
      for (const part of parts)
        events.push(
          Object.fromEntries(part.split('\n').map((it) => it.split(/: (.*)/s).slice(0, 2))),
        )
    }
  })().catch(() => {})
  const leave = async () => {
    gone.abort()
    await over
  }
  const messages = () =>
    events.filter((it) => it.event === 'log').map((it) => JSON.parse(it.data).message)
  return { events, messages, leave }
}

test('a line carries its request and its version, and both find it', async () => {
  const files = (greeting: string) => ({
    'index.ts': `import { Hono } from 'hono'
      const app = new Hono()
      app.get('/:name', async (c) => { await new Promise((r) => setTimeout(r, 5)); console.info('${greeting}', c.req.param('name')); return c.text('ok') })
      export default app`,
  })
  const one = await deploy('traced', files('hello'))
  const first = (await cloud.live(`${one.url}/a`)).headers['x-request-id']
  const two = await deploy('traced', files('goodbye'))
  const second = (await cloud.live(`${two.url}/b`)).headers['x-request-id']
  await expect
    .poll(() => read('traced'))
    .toMatchObject([
      {
        message: 'hello a',
        level: 'info',
        kind: 'console',
        request_id: first,
        deployment_id: one.deployment_id,
      },
      { message: 'goodbye b', request_id: second, deployment_id: two.deployment_id },
    ])
  expect(await read('traced', `?request=${second}`)).toMatchObject([{ message: 'goodbye b' }])
  expect(await read('traced', `?deployment=${one.deployment_id}`)).toMatchObject([
    { message: 'hello a' },
  ])
  expect(await read('traced', `?deployment=${one.deployment_id}&request=${second}`)).toEqual([])
})

test('an exception is told once, where it was thrown in the words of the sources', async () => {
  const { url } = await deploy('broken', {
    'src/index.ts': `import { divide } from './math.ts'\n\nexport default {\n  fetch(): Response {\n    return new Response(String(divide(1, 0)))\n  },\n}\n`,
    'src/math.ts': `interface Unused { a: string }\n\nexport function divide(a: number, b: number): number {\n  if (b === 0) throw new RangeError('by zero')\n  return a / b\n}\n`,
  })
  const { status, headers } = await cloud.live(url)
  expect(status).toBe(500)
  await expect.poll(() => read('broken')).toHaveLength(1)
  const [line] = await read('broken')
  expect(line).toMatchObject({
    level: 'error',
    kind: 'exception',
    request_id: headers['x-request-id'],
  })
  expect(line.message).toMatch(
    /^Uncaught RangeError: by zero\n {4}at \w+ \(src\/math\.ts:4:22\)\n {4}at Object\.fetch \(src\/index\.ts:5:\d+\)$/,
  )
  await new Promise((resolve) => setTimeout(resolve, 700))
  expect(await read('broken')).toHaveLength(1)
})

test('a followed log goes on where it was broken off, without loss or doubles', async () => {
  const { url } = await deploy('followed', {
    'index.ts': `export default { fetch(r) { for (let i = 0; i < 5; i++) console.log(new URL(r.url).pathname.slice(1) + i); return new Response('ok') } }`,
  })
  const all = (paths: string[]) => paths.flatMap((path) => [0, 1, 2, 3, 4].map((i) => path + i))
  // Nothing is there yet: the stream says from where it looks.
  const first = follow('followed')
  await expect.poll(() => first.events[0]).toMatchObject({ event: 'cursor', data: '{}' })
  await cloud.live(`${url}/a`)
  await expect.poll(first.messages, { timeout: 5_000 }).toEqual(all(['a']))
  await first.leave()
  await cloud.live(`${url}/b`)
  const again = follow('followed', '?limit=2', { 'last-event-id': first.events[2]?.id as string })
  await cloud.live(`${url}/c`)
  const seen = () => [...first.messages().slice(0, 2), ...again.messages()]
  await expect.poll(seen, { timeout: 10_000 }).toEqual(all(['a', 'b', 'c']))
  await again.leave()
  // A filter that nothing passes still moves on.
  const none = follow('followed', '?query=nowhere')
  await expect
    .poll(() => Number(none.events[0]?.id))
    .toBeGreaterThanOrEqual(Number(again.events.at(-1)?.id))
  await none.leave()
})

test('what a project may keep is bounded, and its newest lines stay', async () => {
  const { url } = await deploy('chatty', {
    'index.ts': `export default { fetch() { for (let i = 0; i < 120; i++) console.log(i); return new Response('ok') } }`,
  })
  await cloud.live(url)
  await expect.poll(async () => (await read('chatty', '?limit=500')).length).toBe(120)
  await expect
    .poll(
      async () => (await read('chatty', '?limit=500')).map((it: { message: string }) => it.message),
      { timeout: 25_000 },
    )
    .toEqual(Array.from({ length: 50 }, (_, i) => String(i + 70)))
}, 60_000)

test('an app that prints what looks like Jack’s own lines says so by its own name', async () => {
  const { url } = await deploy('forger', {
    'index.ts': `export default { fetch() { console.warn('dropped 5 lines (5 bytes): the app logs too much'); console.log('\\0\\ud800\\u001b[2J'); return new Response('ok') } }`,
  })
  await cloud.live(url)
  await expect
    .poll(() => read('forger'))
    .toMatchObject([
      { kind: 'console', message: 'dropped 5 lines (5 bytes): the app logs too much' },
      { kind: 'console', message: '\ufffd\ufffd\u001b[2J' },
    ])
})
