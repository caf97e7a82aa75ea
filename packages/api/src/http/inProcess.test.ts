import { type Jack as Client, createJack } from '@jackcloud/sdk'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp } from '../app.ts'
import type { Payer } from '../Payer.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { inProcess } from './inProcess.ts'

let cloud: TestCloud
let payer: Payer
const lines: { path: string; within?: string; accountId?: string; status: number }[] = []
beforeAll(async () => {
  cloud = await testCloud(
    {},
    pino({ level: 'info' }, { write: (it) => lines.push(JSON.parse(it)) }),
  )
  payer = (await cloud.jack.payers.find(cloud.token, new Date(), 'api')) as Payer
})
afterAll(() => cloud.close())

/** A client that asks for somebody at that address. */
const clientAt = (address: string, who: Payer | null = payer): Client =>
  createJack({
    url: cloud.url,
    retries: 0,
    fetch: inProcess(createApp(cloud.jack), {
      address,
      within: { requestId: 'req_outer', payer: who },
    }),
  })

const files = { 'index.js': 'export default { fetch: () => new Response("inside") }' }

test('a client without a socket runs programs, deploys files and staged files, and reads', async () => {
  const client = clientAt('203.0.113.1')
  const program = { code: 'export const run = (n) => n * 2', input: 21 }
  expect(await client.execute(program)).toMatchObject({ result: 42 })
  const { url } = await client.deploy({ name: 'inline', files })
  expect((await cloud.live(url)).text).toBe('inside')
  await client.files.put('staged', {
    files: { 'index.js': files['index.js'].replace('inside', 'put') },
  })
  const staged = await client.deploy({ name: 'staged', staged: true })
  expect((await cloud.live(staged.url)).text).toBe('put')
  const { projects } = await client.projects.list()
  expect(projects.map((it) => it.name)).toEqual(['staged', 'inline'])
})

test('who is known outside is known inside, and nobody is nobody', async () => {
  expect((await clientAt('203.0.113.1').me()).account_id).toBe(payer.accountId)
  await expect(clientAt('203.0.113.1', null).me()).rejects.toMatchObject({ code: 'unauthorized' })
  const reader = { ...payer, scopes: ['read'] as const }
  await expect(clientAt('203.0.113.1', reader).execute({ code: 'x' })).rejects.toMatchObject({
    code: 'forbidden',
  })
})

test('limits count the address from outside, and the log names the request around it', async () => {
  const config = { ...cloud.jack.config, requestsPerMinute: 2 }
  const jack = { ...cloud.jack, config }
  const app = createApp(jack)
  const within = { requestId: 'req_outer', payer: null }
  const health = (address: string) =>
    inProcess(app, { address, within })(`${cloud.url}/v1/payments`)
  for (let i = 0; i < 4; i++) expect((await health('203.0.113.2')).status).toBe(200)
  expect((await health('203.0.113.2')).status).toBe(429)
  expect((await health('203.0.113.3')).status).toBe(200)
  await clientAt('203.0.113.1').me()
  expect(lines.findLast((it) => it.path === '/v1/me')).toMatchObject({
    within: 'req_outer',
    accountId: payer.accountId,
  })
})

test('whoever gives up is heard by the door, and waits no longer', async () => {
  const giveUp = new AbortController()
  const heard = Promise.withResolvers<void>()
  const { engine } = cloud.jack
  const { execute } = engine
  engine.execute = ({ signal }) => {
    engine.execute = execute
    signal?.addEventListener('abort', () => heard.resolve())
    giveUp.abort(new Error('enough'))
    return new Promise(() => {})
  }
  const { signal } = giveUp
  const running = clientAt('203.0.113.1').execute(
    { code: 'export const run = () => 1' },
    { signal },
  )
  await expect(running).rejects.toThrow('enough')
  await heard.promise
})
