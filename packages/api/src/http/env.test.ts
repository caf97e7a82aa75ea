import { Agent, request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Project } from '../Project.ts'
import * as projects from '../store/projects.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { updateEnv } from '../verbs/update-env.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

const says = (name: string) => ({
  'index.ts': `export default { async fetch(request, env) { await new Promise((r) => setTimeout(r, 3)); return new Response(env.${name}) } }`,
})

test('the history tells who set or deleted which name, and never a value', async () => {
  await cloud.api('POST', '/deploy', {
    name: 'history',
    files: says('A'),
    env: { A: 'secret-one' },
  })
  const { json: made } = await cloud.api('POST', '/v1/tokens', { name: 'ci', scopes: ['deploy'] })
  await cloud.api(
    'PATCH',
    '/v1/projects/history/env',
    { env: { A: 'secret-two', B: null } },
    { authorization: `Bearer ${made.token}` },
  )
  await cloud.api('PATCH', '/v1/projects/history/env', { env: { A: null } })
  const { json, text } = await cloud.api('GET', '/v1/projects/history/env/history')
  expect(json.changes.map((it: { name: string; action: string }) => [it.name, it.action])).toEqual([
    ['A', 'deleted'],
    ['A', 'set'],
    ['A', 'set'],
  ])
  expect(json.changes[1].token_id).toBe(made.token_id)
  expect(json.changes[0].token_id).not.toBe(made.token_id)
  expect(text).not.toContain('secret')

  const page = await cloud.api('GET', '/v1/projects/history/env/history?limit=2')
  expect(page.json.changes.length).toBe(2)
  const rest = await cloud.api(
    'GET',
    `/v1/projects/history/env/history?limit=2&cursor=${page.json.next_cursor}`,
  )
  expect(rest.json).toMatchObject({ changes: [json.changes[2]], next_cursor: null })
  expect((await cloud.api('GET', '/v1/projects/history/env/history?cursor=x')).status).toBe(400)
})

test('the history of a project does not grow without end', async () => {
  const { json } = await cloud.api('POST', '/v1/projects', { name: 'busy-env' })
  const { db, env } = cloud.jack
  const names = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`N${i}`, 'x']))
  for (let i = 0; i < 12; i++)
    await env.merge(db, json.project_id, names, { maxNames: 128, tokenId: null })
  expect((await env.history(db, json.project_id, { limit: 5_000 })).length).toBe(1_000)
})

test('a secret rotates twenty times under load: no request fails, and none that begins later sees the old one', async () => {
  const { json } = await cloud.api('POST', '/deploy', {
    name: 'rotate',
    files: says('SECRET'),
    env: { SECRET: '0' },
  })
  const agent = new Agent({ connections: 8 })
  const { host } = new URL(json.url)
  const port = new URL(cloud.url).port
  let current = 0
  let running = true
  const wrong: string[] = []
  let answered = 0
  const load = Array.from({ length: 8 }, async () => {
    while (running) {
      const least = current
      const { statusCode, body } = await request(`http://127.0.0.1:${port}/`, {
        headers: { host },
        dispatcher: agent,
      })
      const text = await body.text()
      answered++
      if (statusCode !== 200 || Number(text) < least) wrong.push(`${statusCode} ${text} < ${least}`)
    }
  })
  for (let n = 1; n <= 20; n++) {
    const { status } = await cloud.api('PATCH', '/v1/projects/rotate/env', {
      env: { SECRET: String(n) },
    })
    expect(status).toBe(200)
    current = n
    const seen = answered
    await expect.poll(() => answered, { timeout: 20_000 }).toBeGreaterThan(seen + 8)
  }
  running = false
  await Promise.all(load)
  await agent.close()
  expect(wrong).toEqual([])
  expect((await cloud.live(json.url)).text).toBe('20')
}, 120_000)

test('a project that is deleted meanwhile is missed', async () => {
  await cloud.api('POST', '/v1/projects', { name: 'passing' })
  const project = await projects.find(
    cloud.jack.db,
    (await cloud.api('GET', '/v1/me')).json.account_id,
    'passing',
  )
  await cloud.api('DELETE', '/v1/projects/passing')
  await expect(updateEnv(cloud.jack, project as Project, null, { A: 'b' })).rejects.toMatchObject({
    code: 'not_found',
  })
})
