import { pino } from '/work/main/packages/api/node_modules/pino/pino.js'
import { readConfig, startCloud } from '/work/main/packages/api/src/index.ts'
import { capture, reserve } from '/work/main/packages/api/src/store/ledger.ts'
import * as tokens from '/work/main/packages/api/src/store/tokens.ts'
import { bundle } from '/work/main/packages/bundler/src/index.ts'

const cloud = await startCloud(
  readConfig({
    JACK_MODE: 'local',
    JACK_PORT: '0',
    JACK_DATA: '/tmp/prof/data',
    JACK_LOCAL_CREDIT_USD: '10000',
    JACK_REQUESTS_PER_MINUTE: '1000000',
  }),
  pino({ level: 'silent' }),
)
const { jack } = cloud
const stat = (name: string, xs: number[]) => {
  xs.sort((a, b) => a - b)
  console.log(
    name.padEnd(24),
    'p50',
    xs[xs.length >> 1]!.toFixed(2),
    'p90',
    xs[Math.floor(xs.length * 0.9)]!.toFixed(2),
  )
}
async function time(name: string, n: number, f: (i: number) => Promise<unknown>) {
  for (let i = 0; i < 20; i++) await f(-i - 1)
  const xs = []
  for (let i = 0; i < n; i++) {
    const t = performance.now()
    await f(i)
    xs.push(performance.now() - t)
  }
  stat(name, xs)
}
const payer = (await tokens.authenticate(jack.db, cloud.token!, new Date()))!
await time('authenticate', 200, () => tokens.authenticate(jack.db, cloud.token!, new Date()))
const code = (i: number) => `export const run = (input) => ({ n: ${i}, sum: input.a + ${i} })`
await time('bundle', 200, (i) =>
  bundle({ 'main.ts': code(i) }, { cacheDir: '/tmp/prof/data/packages' }),
)
await time('reserve', 200, (i) =>
  reserve(jack.db, {
    id: 'x' + i + Math.random(),
    accountId: payer.accountId,
    amountMicroUsd: 10000n,
    kind: 'execution',
    ref: 'x',
  }),
)
const ids = Array.from({ length: 240 }, (_, i) => 'y' + i + Math.random())
for (const id of ids)
  await reserve(jack.db, {
    id,
    accountId: payer.accountId,
    amountMicroUsd: 10000n,
    kind: 'execution',
    ref: 'x',
  })
await time('capture', 200, (i) => capture(jack.db, { id: ids[i < 0 ? 220 - i - 1 : i]! }))
const b = await bundle({ 'main.ts': code(5) })
const q: number[] = [],
  c: number[] = []
await time('engine.execute', 200, async () => {
  const o = await jack.engine.execute({
    accountId: payer.accountId,
    main: b.main,
    modules: b.modules,
    usesNode: false,
    input: { a: 1 },
    limits: jack.config.execution,
  })
  q.push(o.durationMs)
  c.push(o.cpuMs)
})
stat('  durationMs', q)
stat('  cpuMs', c)

const marks: Record<string, number[]> = {}
const lap = (name: string, t: number) => {
  ;(marks[name] ??= []).push(performance.now() - t)
}
await time('chain', 300, async (i) => {
  let t = performance.now()
  await tokens.authenticate(jack.db, cloud.token!, new Date())
  lap('auth', t)
  t = performance.now()
  const bb = await bundle({ 'main.ts': code(i) + '//c' }, { cacheDir: '/tmp/prof/data/packages' })
  lap('bundle', t)
  t = performance.now()
  const id = 'c' + i + Math.random()
  await reserve(jack.db, {
    id,
    accountId: payer.accountId,
    amountMicroUsd: 10000n,
    kind: 'execution',
    ref: 'x',
  })
  lap('reserve', t)
  t = performance.now()
  const o = await jack.engine.execute({
    accountId: payer.accountId,
    main: bb.main,
    modules: bb.modules,
    usesNode: false,
    input: { a: 1 },
    limits: jack.config.execution,
  })
  lap('engine', t)
  lap
  t = performance.now()
  ;(marks.dur ??= []).push(o.durationMs)
  ;(marks.cpu ??= []).push(o.cpuMs)
  await capture(jack.db, { id })
  lap('capture', t)
})
for (const [k, v] of Object.entries(marks)) stat('  ' + k, v)
const http = await import('node:http')
const agent = new http.Agent({ keepAlive: true })
const call = (path: string, body?: string) =>
  new Promise<string>((res, rej) => {
    const r = http.request(
      cloud.url + path,
      {
        agent,
        method: body ? 'POST' : 'GET',
        headers: {
          authorization: `Bearer ${cloud.token}`,
          ...(body && { 'content-type': 'application/json' }),
        },
      },
      (m) => {
        let t = ''
        m.on('data', (d) => {
          t += d
        })
        m.on('end', () => res(t))
      },
    )
    r.on('error', rej)
    r.end(body)
  })
await time('GET /healthz', 300, () => call('/healthz'))
await time('GET /v1/balance', 300, () => call('/v1/balance'))
await time('POST quote', 200, (i) => call('/v1/quote', JSON.stringify({ code: code(i) + '//q' })))
await time('POST execute', 300, (i) =>
  call('/execute', JSON.stringify({ code: code(i) + '//z', input: { a: 1 } })),
)
await cloud.close(100)
process.exit(0)
