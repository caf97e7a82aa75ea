import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud

beforeAll(async () => {
  cloud = await testCloud({ JACK_IDLE_MS: '500' })
})
afterAll(() => cloud.close(0))

const source = (version: string) => `
import { DurableObject } from 'cloudflare:workers'
export class Counter extends DurableObject {
  add() {
    const [{ n }] = this.ctx.storage.sql.exec(
      'create table if not exists c (n); insert into c select 0 where not exists (select 1 from c); update c set n = n + 1 returning n',
    ).toArray()
    return n
  }
  later(ms) { return this.ctx.storage.setAlarm(Date.now() + ms) }
  async alarm() { await this.env.NOTES.put('alarm', 'rang') }
}
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    const counter = env.COUNTER.getByName('one')
    if (pathname === '/add') return Response.json(await counter.add())
    if (pathname === '/later') { await counter.later(4_000); return new Response('set') }
    if (pathname === '/alarm') return new Response(await env.NOTES.get('alarm'))
    if (pathname === '/todo') {
      await env.DB.exec('create table if not exists todo (id integer primary key, what text)')
      await env.DB.prepare('insert into todo (what) values (?)').bind('write').run()
      return Response.json((await env.DB.prepare('select * from todo').all()).results)
    }
    return new Response('${version}')
  },
}`

const settings = JSON.stringify({
  name: 'data',
  main: 'index.ts',
  compatibility_date: '2026-05-01',
  kv_namespaces: [{ binding: 'NOTES', id: 'whatever' }],
  d1_databases: [{ binding: 'DB', database_name: 'main', database_id: 'x' }],
  durable_objects: { bindings: [{ name: 'COUNTER', class_name: 'Counter' }] },
  migrations: [{ tag: 'v1', new_sqlite_classes: ['Counter'] }],
})

async function deploy(version: string, over: object = {}) {
  const files = { 'index.ts': source(version), 'wrangler.jsonc': settings }
  const answer = await cloud.api('POST', '/deploy', { name: 'data', files, ...over })
  expect(answer.status, answer.text).toBe(201)
  return answer.json
}

describe('a program with a wrangler file that names bindings', () => {
  it('runs as it is, and keeps its data through redeploys under load, back and forth', async () => {
    const first = await deploy('one')
    expect(first.warnings).toEqual([])
    expect((await cloud.live(`${first.url}/todo`)).json).toEqual([{ id: 1, what: 'write' }])
    let stop = false
    let added = 0
    const statuses = new Map<number, number>()
    const load = Array.from({ length: 4 }, async () => {
      while (!stop) {
        const { status } = await cloud.live(`${first.url}/add`)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        if (status === 200) added++
      }
    })
    const second = await deploy('two', { verify: [{ path: '/todo' }] })
    expect((await cloud.live(second.url)).text).toBe('two')
    await cloud.api('POST', '/v1/projects/data/rollback', {})
    expect((await cloud.live(second.url)).text).toBe('one')
    await cloud.api('PATCH', '/v1/projects/data/env', { env: { A: 'b' } })
    await cloud.api('POST', `/v1/projects/data/deployments/${second.deployment_id}/promote`)
    expect((await cloud.live(second.url)).text).toBe('two')
    stop = true
    await Promise.all(load)
    expect([...statuses.keys()]).toEqual([200])
    expect((await cloud.live(`${first.url}/add`)).json).toBe(added + 1)
    expect((await cloud.live(`${first.url}/todo`)).json).toHaveLength(3)
  })

  it('stays as it is when the next version does not pass its verification', async () => {
    const { url } = await deploy('three')
    const files = { 'index.ts': source('four'), 'wrangler.jsonc': settings }
    const verify = [{ path: '/nowhere', status: 404 }]
    const answer = await cloud.api('POST', '/deploy', { name: 'data', files, verify })
    expect(answer.json).toMatchObject({ code: 'deploy_failed' })
    expect((await cloud.live(url)).text).toBe('three')
    expect((await cloud.live(`${url}/todo`)).status).toBe(200)
  })

  it('keeps nothing when its first version does not pass its verification', async () => {
    const files = { 'index.ts': source('never'), 'wrangler.jsonc': settings }
    const verify = [{ path: '/todo' }, { path: '/nowhere', status: 404 }]
    const before = await cloud.jack.engine.data.list()
    const answer = await cloud.api('POST', '/deploy', { name: 'never', files, verify })
    expect(answer.json).toMatchObject({ code: 'deploy_failed' })
    expect(await cloud.jack.engine.data.list()).toEqual(before)
  })

  it('answers on the URL of its live version only', async () => {
    const [old, live] = [await deploy('five'), await deploy('six')]
    expect((await cloud.live(live.deployment_url)).text).toBe('six')
    const { status, json } = await cloud.live(old.deployment_url)
    expect([status, json.code, json.hint]).toEqual([
      409,
      'conflict',
      `Make it live: jack promote data ${old.deployment_id}`,
    ])
  })

  it('is woken by its alarm', async () => {
    const { url } = await deploy('seven')
    await cloud.live(`${url}/later`)
    const asleep = () => cloud.jack.engine.running().length === 0
    for (const from = Date.now(); !asleep() && Date.now() - from < 3_500; ) await pause(50)
    expect(asleep()).toBe(true)
    await pause(4_000)
    expect((await cloud.live(`${url}/alarm`)).text).toBe('rang')
  }, 15_000)

  it('is gone with its project', async () => {
    const { project_id } = await deploy('eight')
    expect(await cloud.jack.engine.data.sizeBytes(project_id)).toBeGreaterThan(0)
    expect((await cloud.api('DELETE', '/v1/projects/data')).status).toBe(200)
    expect(await cloud.jack.engine.data.sizeBytes(project_id)).toBe(0)
    expect((await cloud.live(`${(await deploy('nine')).url}/todo`)).json).toHaveLength(1)
  })
})
