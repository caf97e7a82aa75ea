import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { runDueCrons } from './run-due-crons.ts'

let cloud: TestCloud
// Behind the database's clock, so that nothing of its own seems old.
let clock = new Date(Date.now() - 6 * 3_600_000)
beforeAll(async () => {
  cloud = await testCloud({ JACK_IDLE_MS: '300' })
  cloud.jack.now = () => clock
})
afterAll(() => cloud.close())
beforeEach(() => {
  // Half past a minute: nothing is due until a test says so.
  clock = new Date(Math.ceil(clock.getTime() / 60_000) * 60_000 + 30_000)
})

const minute = 60_000
const later = (ms: number) => {
  clock = new Date(clock.getTime() + ms)
}
const lastMinute = () => new Date(Math.floor(clock.getTime() / minute) * minute)

const worker = (scheduled: string, crons = ['* * * * *']) => ({
  'wrangler.json': JSON.stringify({ main: 'index.js', triggers: { crons } }),
  'index.js': `export default { async scheduled({ cron, scheduledTime }, env) { ${scheduled} } }`,
})
const telling = 'console.log("ran", cron, new Date(scheduledTime).toISOString())'

async function deploy(name: string, files: Record<string, string>) {
  const answer = await cloud.api('POST', '/deploy', { name, files })
  expect(answer.status, answer.text).toBe(201)
  return answer.json
}

const schedule = async (name: string) =>
  (await cloud.api('GET', `/v1/projects/${name}/crons`)).json.crons

const lines = async (name: string): Promise<string[]> =>
  (await cloud.api('GET', `/v1/projects/${name}/logs?limit=500`)).json.logs.map(
    (it: { message: string }) => it.message,
  )

/** Waits until a project has printed so many lines that begin with a text, and answers them all. */
async function told(name: string, beginning: string, count = 1): Promise<string[]> {
  for (let i = 0; i < 200; i++) {
    const found = (await lines(name)).filter((it) => it.startsWith(beginning))
    if (found.length >= count) return found
    await sleep(25)
  }
  throw new Error(`${name} never said "${beginning}": ${await lines(name)}`)
}

/** When a run is over, its outcome is stored. */
async function outcome(name: string): Promise<unknown> {
  for (let i = 0; i < 200; i++) {
    const [cron] = await schedule(name)
    if (cron.last_at === lastMinute().toISOString()) return cron.last_outcome
    await sleep(25)
  }
  throw new Error(`no run of ${name} came to its end`)
}

test('a cron wakes a sleeping app when it is due, once, and is counted', async () => {
  await deploy('ticking', worker(telling))
  const due = new Date(lastMinute().getTime() + minute)
  expect(await schedule('ticking')).toEqual([
    { cron: '* * * * *', next_at: due.toISOString(), last_at: null, last_outcome: null },
  ])
  while (cloud.jack.engine.running().length > 0) await sleep(50)
  await runDueCrons(cloud.jack)
  later(minute)
  await runDueCrons(cloud.jack)
  expect(await told('ticking', 'ran')).toEqual([`ran * * * * * ${due.toISOString()}`])
  expect(await outcome('ticking')).toBe('ok')
  expect(await schedule('ticking')).toEqual([
    {
      cron: '* * * * *',
      next_at: new Date(due.getTime() + minute).toISOString(),
      last_at: due.toISOString(),
      last_outcome: 'ok',
    },
  ])
  const { total } = (await cloud.api('GET', '/v1/projects/ticking/usage')).json
  expect(total).toMatchObject({ requests: 1, errors: 0 })
})

test('each due time is run once, however many look for it and however the clock jumps', async () => {
  await deploy('once', worker(telling))
  later(minute)
  const due = clock
  await Promise.all(Array.from({ length: 10 }, () => runDueCrons(cloud.jack)))
  await told('once', 'ran')
  expect(await outcome('once')).toBe('ok')
  for (const back of [1, 30, minute, 60 * minute]) {
    clock = new Date(due.getTime() - back)
    await runDueCrons(cloud.jack)
    clock = due
    await runDueCrons(cloud.jack)
  }
  later(minute)
  await runDueCrons(cloud.jack)
  const ran = await told('once', 'ran', 2)
  expect(ran).toHaveLength(2)
  expect(new Set(ran).size).toBe(2)
})

test('of the runs that nobody was there for, the last one is made up for and says so', async () => {
  await deploy('missed', worker(telling))
  later(8 * minute)
  await runDueCrons(cloud.jack)
  expect(await told('missed', 'ran')).toEqual([`ran * * * * * ${lastMinute().toISOString()}`])
  expect(await told('missed', '[cron]')).toEqual([
    `[cron] * * * * *: 7 runs were missed while the server was down; this one, due at ${lastMinute().toISOString()}, is for all.`,
  ])
  await outcome('missed')
  later(minute)
  await runDueCrons(cloud.jack)
  await told('missed', 'ran', 2)
  expect(await told('missed', '[cron]')).toHaveLength(1)
})

test('a run that still goes on when the next is due lets that one pass, which is told', async () => {
  await deploy(
    'slow',
    worker(
      'console.log("began"); await new Promise((r) => setTimeout(r, 1500)); console.log("ended")',
    ),
  )
  later(minute)
  await runDueCrons(cloud.jack)
  await told('slow', 'began')
  // The clock of the test goes a minute on within the lease of the run.
  await cloud.jack.db
    .updateTable('cron')
    .set({ next_at: clock })
    .where('running_until', 'is not', null)
    .execute()
  await runDueCrons(cloud.jack)
  expect(await told('slow', '[cron]')).toEqual([
    '[cron] * * * * *: this run is skipped: the one before it is still going.',
  ])
  await told('slow', 'ended')
  expect(await outcome('slow')).toBe('ok')
  expect(await told('slow', 'began')).toHaveLength(1)
})

test('a run that a crash cut off is not waited for, nor repeated', async () => {
  await deploy('crashed', worker(telling))
  later(minute)
  // What a server leaves behind that dies between claim and run.
  await cloud.jack.db
    .updateTable('cron')
    .set({
      next_at: new Date(clock.getTime() + 30_000),
      running_until: new Date(clock.getTime() + 30_000),
    })
    .where('next_at', '<=', clock)
    .execute()
  await runDueCrons(cloud.jack)
  later(minute)
  await runDueCrons(cloud.jack)
  expect(await told('crashed', 'ran')).toEqual([`ran * * * * * ${lastMinute().toISOString()}`])
  expect(await lines('crashed')).toHaveLength(1)
})

test('what is suspended or over does not run, and makes up for nothing when it is back', async () => {
  await deploy('paused', worker(telling))
  const set = (status: 'active' | 'suspended') =>
    cloud.jack.db
      .updateTable('project')
      .set({ status, reason: 'test' })
      .where('name', '=', 'paused')
      .execute()
  await set('suspended')
  for (let i = 0; i < 3; i++) {
    later(minute)
    await runDueCrons(cloud.jack)
    expect(await outcome('paused')).toBe('not_active')
  }
  await set('active')
  await runDueCrons(cloud.jack)
  later(minute)
  await runDueCrons(cloud.jack)
  expect(await outcome('paused')).toBe('ok')
  await told('paused', 'ran')
  expect(await lines('paused')).toEqual([`ran * * * * * ${lastMinute().toISOString()}`])
})

test('the schedule is that of what is live', async () => {
  const first = await deploy('following', worker(telling, ['*/5 * * * *', '0 3 * * mon']))
  const expressions = async () =>
    (await schedule('following')).map((it: { cron: string }) => it.cron)
  expect(await expressions()).toEqual(['*/5 * * * *', '0 3 * * mon'])
  const [kept] = await schedule('following')
  await deploy('following', worker(telling, ['*/5 * * * *']))
  expect(await schedule('following')).toEqual([kept])
  await deploy('following', { 'index.js': 'export default { fetch: () => new Response("x") }' })
  expect(await expressions()).toEqual([])
  const back = `/v1/projects/following/deployments/${first.deployment_id}/promote`
  expect((await cloud.api('POST', back)).status).toBe(200)
  expect(await expressions()).toEqual(['*/5 * * * *', '0 3 * * mon'])
  await cloud.api('DELETE', '/v1/projects/following')
  expect((await cloud.api('GET', '/v1/projects/following/crons')).status).toBe(404)
})

test.each([
  [
    'an expression that cannot be',
    worker(telling, ['0 0 30 2 *']),
    400,
    /"0 0 30 2 \*" is never due/,
  ],
  ['a weekday that Workers do not have', worker(telling, ['0 0 * * 0']), 400, /"0 0 \* \* 0"/],
  [
    'an app without the handler',
    { ...worker(telling), 'index.js': 'export default { fetch() {} }' },
    502,
    /no scheduled method/,
  ],
])('%s is refused when it is deployed', async (_, files, status, words) => {
  const answer = await cloud.api('POST', '/deploy', { name: 'refused', files })
  expect(answer.status).toBe(status)
  expect(JSON.stringify([answer.json.detail, answer.json.output]).replaceAll('\\', '')).toMatch(
    words,
  )
  expect((await cloud.api('GET', '/v1/projects/refused')).status).toBe(404)
})

test('a handler that throws is told with what it threw, and is not called again', async () => {
  await deploy('throwing', worker('throw new Error("no luck")'))
  later(minute)
  await runDueCrons(cloud.jack)
  expect(await outcome('throwing')).toBe('exception')
  await runDueCrons(cloud.jack)
  await told('throwing', 'Uncaught Error: no luck')
  expect(await told('throwing', '[cron]')).toEqual(['[cron] * * * * *: it failed: exception'])
})

test('a cron is run by hand without a change of its schedule', async () => {
  await deploy(
    'by-hand',
    worker(`${telling}; if (cron === "0 0 * * *") throw new Error("x")`, [
      '0 0 * * *',
      '1 1 * * *',
    ]),
  )
  const before = await schedule('by-hand')
  const run = (cron?: string) =>
    cloud.api('POST', '/v1/projects/by-hand/crons/run', cron === undefined ? {} : { cron })
  expect((await run('1 1 * * *')).json).toEqual({
    cron: '1 1 * * *',
    scheduled_at: clock.toISOString(),
    outcome: 'ok',
    error: null,
    duration_ms: expect.any(Number),
  })
  expect((await run('0 0 * * *')).json).toMatchObject({ outcome: 'exception' })
  expect((await run()).json).toMatchObject({
    code: 'invalid_request',
    hint: expect.stringContaining('"1 1 * * *"'),
  })
  expect((await run('2 2 * * *')).json).toMatchObject({ code: 'not_found' })
  expect(await schedule('by-hand')).toEqual(before)
})
