import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Payer } from '../Payer.ts'
import { withdraw } from '../store/ledger.ts'
import { audit } from '../store/ledgerAudit.ts'
import * as projects from '../store/projects.ts'
import { chargeDue } from '../store/runtime.ts'
import * as suspensions from '../store/suspensions.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { settleRuntime } from './settle-runtime.ts'
import { strike } from './strike.ts'
import { sweep } from './sweep.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(async () => {
  expect(await audit(cloud.jack.db)).toEqual([])
  await cloud.close()
})

async function deploy(name: string, body = `return new Response('${name}')`, more: object = {}) {
  const files = { 'index.js': `export default { async fetch(request, env) { ${body} } }` }
  const { status, json } = await cloud.api('POST', '/deploy', { name, files, ...more })
  expect(status, JSON.stringify(json)).toBe(201)
  return json as { url: string; project_id: string; deployment_id: string; deployment_url: string }
}
const read = async (name: string) => (await cloud.api('GET', `/v1/projects/${name}`)).json
const patch = (name: string, body: object) => cloud.api('PATCH', `/v1/projects/${name}`, body)
const accountId = async () => (await cloud.api('GET', '/v1/me')).json.account_id
const microUsd = (usd: string) => BigInt(usd.replace('.', ''))

/** Uses so much, in USD, as if requests had. */
async function use(projectId: string, usd: number): Promise<void> {
  cloud.jack.recorder.rows(projectId, { read: 0, written: Math.round(usd * 1e6) })
  await cloud.jack.recorder.flush()
}

/** Leaves an account so much. */
async function leave(micro: bigint): Promise<void> {
  await cloud.jack.recorder.flush()
  await chargeDue(cloud.jack.db, cloud.jack.newId('run'), { now: new Date() })
  const { json } = await cloud.api('GET', '/v1/balance')
  await withdraw(cloud.jack.db, {
    id: crypto.randomUUID(),
    accountId: await accountId(),
    amountMicroUsd: microUsd(json.balance_usd) - micro,
  })
}

test('requests, errors, CPU time, rows, egress and latencies are counted, and cost what the list says', async () => {
  const { url, project_id } = await deploy(
    'counted',
    `if (request.url.endsWith('bad')) throw new Error('bad')
     return new Response('fine')`,
  )
  for (let i = 0; i < 9; i++) await cloud.live(url)
  expect((await cloud.live(`${url}/bad`)).status).toBe(500)
  cloud.jack.recorder.rows(project_id, { read: 1_000, written: 10 })
  cloud.jack.recorder.egress(project_id, { requests: 2, bytes: 12_345 })
  const { json } = await cloud.api('GET', '/v1/projects/counted/usage?per=minute&since=1h')
  expect(json.total).toMatchObject({
    requests: 10,
    errors: 1,
    rows_read: 1_000,
    rows_written: 10,
    egress_requests: 2,
    egress_bytes: 12_345,
    latency: { p50_ms: expect.any(Number), p90_ms: expect.any(Number), p99_ms: expect.any(Number) },
    cost: {
      requests_usd: '0.000005',
      rows_read_usd: '0.000250',
      rows_written_usd: '0.000010',
    },
  })
  expect(json.total.cpu_ms).toBeGreaterThan(0)
  expect(json.total.latency.p99_ms).toBeGreaterThanOrEqual(json.total.latency.p50_ms)
  expect(json.budget).toMatchObject({ included_usd: '0.010000', spent_usd: '0.000000' })
  expect(json.runway.hours).toBeGreaterThan(0)
  const all = (await cloud.api('GET', '/v1/usage')).json
  expect(all.projects.map((it: { name: string }) => it.name)).toContain('counted')
  expect(all.total.requests).toBeGreaterThanOrEqual(10)
})

test('a project shows up in the receipts with what it used and when, and everything adds up', async () => {
  const { project_id } = await deploy('billed')
  await use(project_id, 0.51)
  await settleRuntime(cloud.jack)
  const { receipts } = (await cloud.api('GET', '/v1/receipts?limit=500')).json
  expect(receipts.find((it: { project: string }) => it.project === 'billed')).toMatchObject({
    reason: 'runtime',
    amount_usd: expect.stringMatching(/^-0\.50/),
    project_id,
    project: 'billed',
    period: { from: expect.stringMatching(/Z$/), until: expect.stringMatching(/Z$/) },
  })
  // What is charged in between shows in the one and not in the other.
  await expect
    .poll(async () => {
      const { json } = await cloud.api('GET', '/v1/balance')
      const { receipts } = (await cloud.api('GET', '/v1/receipts?limit=500')).json
      const amounts = receipts.map((it: { amount_usd: string }) => microUsd(it.amount_usd))
      return (
        amounts.reduce((sum: bigint, it: bigint) => sum + it, 0n) -
        microUsd(json.balance_usd) -
        microUsd(json.held_usd)
      )
    })
    .toBe(0n)
})

test('at zero the URL answers 402 and says why, its process ends, and money brings it back within a second', async () => {
  const one = await deploy('one')
  const two = await deploy('two')
  expect((await cloud.live(one.url)).status).toBe(200)
  expect((await cloud.live(two.url)).status).toBe(200)
  for (const it of [one, two]) await use(it.project_id, 0.01)
  await leave(1_000n)
  await use(one.project_id, 0.0015)
  expect(await read('one')).toMatchObject({
    status: 'suspended',
    suspension: {
      code: 'balance',
      evidence: { owed_usd: expect.any(String) },
      next: [{ command: 'jack balance add 5' }],
    },
  })
  for (const url of [one.url, two.url, one.deployment_url]) {
    await expect.poll(async () => (await cloud.live(url)).status).toBe(402)
    const { json, headers } = await cloud.live(url)
    expect(headers['content-type']).toBe('application/problem+json')
    expect(json).toEqual({
      type: 'urn:jack:problem:project_suspended',
      title: 'The project is suspended',
      status: 402,
      code: 'project_suspended',
      detail: "The balance of the app's account is used up.",
      hint: 'It comes back as soon as the balance is added to.',
      suspension: 'balance',
      request_id: expect.any(String),
    })
  }
  await expect
    .poll(() => cloud.jack.engine.running().filter((it) => it.projectId === one.project_id))
    .toEqual([])
  const { json: refused, status } = await cloud.api('POST', '/v1/projects/one/resume')
  expect([status, refused.code]).toEqual([402, 'insufficient_balance'])

  const { json: added } = await cloud.api('POST', '/v1/balance', { amount_usd: '5' })
  expect(added.added_usd).toBe('5.000000')
  expect(added.resumed).toEqual(expect.arrayContaining(['one', 'two']))
  for (const { url } of [one, two]) expect((await cloud.live(url)).status).toBe(200)
  expect(await read('one')).toMatchObject({ status: 'active', suspension: null, reason: null })
  // What was owed is paid first.
  await chargeDue(cloud.jack.db, cloud.jack.newId('run'), { now: new Date() })
  expect(microUsd((await cloud.api('GET', '/v1/balance')).json.balance_usd)).toBeLessThan(
    5_000_000n,
  )
})

test('money that nobody told of resumes with the next look', async () => {
  const { url, project_id } = await deploy('untold')
  await use(project_id, 0.01)
  await leave(10n)
  await use(project_id, 0.0001)
  await expect.poll(async () => (await cloud.live(url)).status).toBe(402)
  const { grant } = await import('../store/ledger.ts')
  await grant(cloud.jack.db, {
    id: crypto.randomUUID(),
    accountId: await accountId(),
    amountMicroUsd: 5_000_000n,
  })
  await settleRuntime(cloud.jack)
  expect((await cloud.live(url)).status).toBe(200)
})

test('a budget suspends its project, and raising it resumes it', async () => {
  const { url, project_id } = await deploy('frugal', undefined, { budget_usd: '0.02' })
  await use(project_id, 0.03)
  expect(await read('frugal')).toMatchObject({
    budget_usd: '0.020000',
    suspension: {
      code: 'budget',
      evidence: {
        budget: 'total',
        limit_usd: '0.020000',
        spent_usd: expect.stringMatching(/^0.02/),
      },
      next: [
        { command: 'jack budget frugal --total 1' },
        { command: 'jack budget frugal --total none' },
      ],
    },
  })
  const { json } = await cloud.live(url)
  expect(json).toMatchObject({ code: 'project_suspended', suspension: 'budget' })
  const resume = await cloud.api('POST', '/v1/projects/frugal/resume')
  expect([resume.status, resume.json.code]).toEqual([402, 'budget_exceeded'])
  const files = { 'index.js': 'export default { fetch: () => new Response("new") }' }
  const redeploy = await cloud.api('POST', '/deploy', { name: 'frugal', files })
  expect([redeploy.status, redeploy.json.code]).toEqual([402, 'budget_exceeded'])
  expect((await patch('frugal', { budget_usd: '0.03' })).json.status).toBe('active')
  expect((await cloud.live(url)).status).toBe(200)
  await use(project_id, 0.02)
  await expect.poll(async () => (await cloud.live(url)).status).toBe(402)
  expect((await patch('frugal', { budget_usd: null })).json).toMatchObject({
    status: 'active',
    budget_usd: null,
  })
  expect((await cloud.live(url)).status).toBe(200)
})

test('a daily budget is over at midnight in UTC', async () => {
  const { url, project_id } = await deploy('daily')
  await patch('daily', { daily_budget_usd: '0.02' })
  await use(project_id, 0.035)
  expect((await read('daily')).suspension).toMatchObject({
    code: 'budget',
    reason: 'The app has spent its budget for today (UTC).',
    evidence: { budget: 'daily' },
  })
  await settleRuntime(cloud.jack)
  expect((await cloud.live(url)).status).toBe(402)
  const tomorrow = new Date()
  tomorrow.setUTCHours(24, 0, 0, 0)
  await settleRuntime({ ...cloud.jack, now: () => tomorrow })
  expect((await cloud.live(url)).status).toBe(200)
})

const kill = (it: { project_id: string; deployment_id: string }, at: number) =>
  strike(
    cloud.jack,
    {
      projectId: it.project_id,
      deploymentId: it.deployment_id,
      revision: '0',
      reason: 'cpu',
      detail: 'It ran for 5000 ms without a pause',
      cpuMs: 5_003,
      memoryBytes: 40_000_000,
    },
    new Date(at),
  )

test('five kills within ten minutes suspend a runaway, with the evidence; a deploy brings it back', async () => {
  const it = await deploy('runaway', `console.log('round and round'); return new Response('hi')`)
  await cloud.live(it.url)
  const now = Date.now()
  // One is too long ago, and one is told twice.
  await kill(it, now - 601_000)
  for (const ms of [4, 3, 3, 2, 1]) await kill(it, now - ms * 1_000)
  expect((await read('runaway')).status).toBe('active')
  await kill(it, now)
  const { suspension } = await read('runaway')
  expect(suspension).toMatchObject({
    code: 'runaway',
    reason: 'The app was stopped 5 times within 10 minutes.',
    evidence: {
      strikes: [
        { kind: 'cpu', cpu_ms: 5_003, memory_bytes: 40_000_000, deployment_id: it.deployment_id },
        {},
        {},
        {},
        { at: new Date(now).toISOString() },
      ],
      last_lines: ['round and round'],
    },
  })
  const { status, json, text } = await cloud.live(it.url)
  expect([status, json.suspension]).toEqual([402, 'runaway'])
  expect(text).not.toContain('round and round')
  expect((await cloud.api('POST', '/v1/balance', { amount_usd: '1' })).json.resumed).toEqual([])

  await deploy('runaway', `return new Response('well')`)
  expect((await cloud.live(it.url)).text).toBe('well')
  await kill(it, now + 1)
  expect((await read('runaway')).status).toBe('active')
})

test('a runaway comes back by a rollback or by hand, and changing its settings is no way out', async () => {
  const first = await deploy('spins', `return new Response('first')`)
  const second = await deploy('spins', `return new Response('second')`)
  const suspend = async () => {
    const now = Date.now()
    for (let i = 0; i < 5; i++) await kill(second, now + i)
  }
  await suspend()
  await patch('spins', { budget_usd: '5', ttl_hours: 5 })
  expect((await cloud.live(first.url)).status).toBe(402)
  await cloud.api('POST', '/v1/projects/spins/rollback', {})
  expect((await cloud.live(first.url)).text).toBe('first')
  await suspend()
  expect((await cloud.live(first.url)).status).toBe(402)
  const resumed = await cloud.api('POST', '/v1/projects/spins/resume')
  expect(resumed.json).toMatchObject({ status: 'active', suspension: null })
  expect((await cloud.live(first.url)).text).toBe('first')
})

test('an app that really eats memory is suspended in the end', async () => {
  const { url } = await deploy(
    'hungry',
    `const all = []; for (;;) all.push(new Uint8Array(1e7).fill(1))`,
  )
  await expect
    .poll(
      async () => {
        await cloud.live(url)
        return (await read('hungry')).suspension?.code
      },
      { timeout: 100_000, interval: 50 },
    )
    .toBe('runaway')
  const { evidence } = (await read('hungry')).suspension
  expect(evidence.strikes).toHaveLength(5)
  expect(evidence.strikes[0].kind).toBe('memory')
  expect(evidence.strikes[0].cpu_ms).toBeGreaterThan(0)
  expect((await cloud.live(url)).json).toMatchObject({ suspension: 'runaway' })
}, 120_000)

test('only an admin adds money, only more than nothing, and a repeated key adds once', async () => {
  const { json: reader } = await cloud.api('POST', '/v1/tokens', { name: 'ci', scopes: ['deploy'] })
  const as = { authorization: `Bearer ${reader.token}` }
  const body = { amount_usd: '1' }
  expect((await cloud.api('POST', '/v1/balance', body, as)).status).toBe(403)
  for (const amount_usd of ['0', '-1', '0.0000001', '1e9', '']) {
    expect((await cloud.api('POST', '/v1/balance', { amount_usd })).json.code).toBe(
      'invalid_request',
    )
  }
  const key = { 'idempotency-key': crypto.randomUUID() }
  const before = await cloud.balance()
  await cloud.api('POST', '/v1/balance', body, key)
  await cloud.api('POST', '/v1/balance', body, key)
  expect((await cloud.balance()) - before).toBeCloseTo(1, 3)
})

test('a cloud for others gives no money away', async () => {
  const { fund } = await import('./fund.ts')
  const jack = { ...cloud.jack, config: { ...cloud.jack.config, local: false } }
  const payer = { accountId: await accountId(), funding: { kind: 'balance' } } as Payer
  const it = { id: 'x', amountMicroUsd: 1n, accountId: payer.accountId, projectId: null }
  await expect(fund(jack, payer, it)).rejects.toMatchObject({ code: 'payment_required' })
})

test('nobody resumes or reads what belongs to another', async () => {
  const { project_id } = await deploy('mine')
  const { json: confined } = await cloud.api('POST', '/v1/tokens', {
    name: 'other',
    project: 'counted',
    scopes: ['deploy'],
  })
  const as = { authorization: `Bearer ${confined.token}` }
  await suspensions.suspend(cloud.jack.db, project_id, {
    code: 'runaway',
    evidence: {},
    now: new Date(),
  })
  expect((await cloud.api('POST', '/v1/projects/mine/resume', undefined, as)).status).toBe(403)
  expect((await projects.findById(cloud.jack.db, project_id))?.status).toBe('suspended')
  const { json } = await cloud.api('GET', '/v1/usage', undefined, as)
  expect(json.projects.map((it: { name: string }) => it.name)).toEqual(['counted'])
  expect((await cloud.api('POST', '/v1/projects/mine/resume')).json.status).toBe('active')
})

test('what runs on although nobody told it that it is suspended is ended with the next look', async () => {
  const files = {
    'wrangler.json': JSON.stringify({
      main: 'i.js',
      durable_objects: { bindings: [{ name: 'CLOCK', class_name: 'Clock' }] },
    }),
    'i.js': `import { DurableObject } from 'cloudflare:workers'
      export class Clock extends DurableObject {
        alarm() { return this.tick() }
        tick() { return this.ctx.storage.setAlarm(Date.now() + 500) }
      }
      export default { async fetch(request, env) { await env.CLOCK.getByName('a').tick(); return new Response('ticks') } }`,
  }
  const { json } = await cloud.api('POST', '/deploy', { name: 'ticking', files })
  expect((await cloud.live(json.url)).text).toBe('ticks')
  const runs = () => cloud.jack.engine.running().some((it) => it.projectId === json.project_id)
  expect(runs()).toBe(true)
  // As if the notice had come while the app was being started, or the connection for notices was broken.
  await cloud.jack.db
    .updateTable('project')
    .set({ status: 'suspended', suspension: 'balance', suspended_at: new Date(), evidence: {} })
    .where('project_id', '=', json.project_id)
    .execute()
  await sweep(cloud.jack)
  expect(runs()).toBe(false)
})

test("an app that claims to have used what nobody can holds up nobody else's bill", async () => {
  const [{ project_id: mad }, { project_id: sane }] = [await deploy('mad'), await deploy('sane')]
  for (let i = 0; i < 3; i++) {
    cloud.jack.recorder.rows(mad, { read: 1e300, written: Number.POSITIVE_INFINITY })
    await cloud.jack.recorder.flush()
  }
  expect(await read('mad')).toMatchObject({ status: 'suspended', suspension: { code: 'balance' } })
  cloud.jack.recorder.rows(sane, { read: 0, written: 7 })
  const { json } = await cloud.api('GET', '/v1/projects/sane/usage')
  expect(json.total.rows_written).toBe(7)
})
