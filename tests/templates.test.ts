import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { localFetch, loopback } from '@jackcloud/sdk/node'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Mppx, tempo } from 'mppx/client'
import { Agent, WebSocket } from 'undici'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { commandLine, eventually, type Json, live, text } from './harness.ts'
import { type PaidCloud, paidCloud } from './payments/paying.ts'

// Every template, as `jack new` makes it, deployed to a whole cloud and used from outside.
const templates = fileURLToPath(new URL('../packages/cli/templates/', import.meta.url))
vi.setConfig({ testTimeout: 60_000 })
let paid: PaidCloud
let cli: ReturnType<typeof commandLine>
beforeAll(async () => {
  paid = await paidCloud('templates')
  cli = commandLine(paid.home)
}, 120_000)
afterAll(() => paid?.close(), 60_000)

/** Makes a project of a template, does what has to be done before, and deploys it. */
async function deploy(template: string, before: (cwd: string) => unknown = () => {}) {
  const { folder } = await cli.json(['new', template, '--template', template])
  await before(folder)
  const deployed = await cli.json(['deploy', '--verify', verifyOf(folder)], { cwd: folder })
  expect(deployed, template).toMatchObject({ exitCode: 0, name: template, deduplicated: false })
  expect(deployed.warnings ?? []).toEqual([])
  expect(await cli.json(['deploy'], { cwd: folder })).toMatchObject({
    deduplicated: true,
    charged_usd: '0.000000',
  })
  return { cwd: folder as string, url: deployed.url as string }
}

/** What its AGENTS.md says that has to answer. */
const verifyOf = (folder: string): string =>
  /--verify (\/\S*=\d+)/.exec(readFileSync(join(folder, 'AGENTS.md'), 'utf8'))?.[1] as string

const send = (url: string, method: string, body: unknown) =>
  live(url, { method, body: JSON.stringify(body) })

test('jack init lists exactly the templates that there are', async () => {
  const { templates: listed } = await cli.json(['init'])
  expect(listed.map((it: Json) => it.name).toSorted()).toEqual(readdirSync(templates).toSorted())
  const page = readFileSync(new URL('../docs/templates.md', import.meta.url), 'utf8')
  for (const { name, is } of listed) {
    expect(page).toContain(`| \`${name}\` | `)
    expect(is.length, name).toBeGreaterThan(15)
    expect(readFileSync(join(templates, name, 'README.md'), 'utf8')).toMatch(`# ${name}\n`)
  }
})

test('templates pin every dependency to one version', () => {
  for (const name of readdirSync(templates)) {
    const { dependencies = {}, devDependencies = {} } = JSON.parse(
      readFileSync(join(templates, name, 'package.json'), 'utf8'),
    )
    for (const [it, version] of Object.entries({ ...dependencies, ...devDependencies }))
      expect(version, `${name}: ${it}`).toMatch(/^\d+\.\d+\.\d+$/)
  }
})

test('worker: answers, and takes up a changed variable', async () => {
  const { cwd, url } = await deploy('worker')
  expect(await text(url)).toBe('Hello, world!\n')
  await cli.json(['env', 'set', 'GREETING=Servus'], { cwd })
  expect(await text(`${url}/?name=Ada`)).toBe('Servus, Ada!\n')
})

test('hono-api: greets, adds, and says what is wrong', async () => {
  const { url } = await deploy('hono-api')
  expect(await text(`${url}/greet/you`)).toBe('{"greeting":"Hello, you!"}')
  expect(await (await send(`${url}/sum`, 'POST', { numbers: [1, 2, 3] })).json()).toEqual({
    sum: 6,
  })
  expect((await send(`${url}/sum`, 'POST', {})).status).toBe(400)
})

test('static-site: pages, and one of its own for what is not there', async () => {
  const { url } = await deploy('static-site')
  expect(await text(url)).toContain('<h1>Hello</h1>')
  const lost = await live(`${url}/nowhere`)
  expect([lost.status, await lost.text()]).toEqual([404, expect.stringContaining('Not found')])
})

test('spa-vite: built by Vite, and every path shows the page', async () => {
  const { url } = await deploy('spa-vite', (cwd) => {
    const vite = fileURLToPath(new URL('bin/vite.js', import.meta.resolve('vite/package.json')))
    execFileSync(process.execPath, [vite, 'build', '--logLevel', 'warn'], { cwd })
  })
  const page = await text(`${url}/about`)
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(page)?.[1]
  expect(await text(`${url}${script}`)).toContain('There is nothing here.')
})

test('fullstack: a page, and the API that it asks', async () => {
  const { url } = await deploy('fullstack')
  expect(await text(url)).toContain('What time is it?')
  expect(Date.parse(JSON.parse(await text(`${url}/api/time`)).time)).toBeGreaterThan(0)
})

test('d1-todo: migrated before its first deploy; adds, does and deletes', async () => {
  const { cwd, url } = await deploy('d1-todo', async (cwd) => {
    const migrated = await cli.json(['db', 'migrate'], { cwd })
    expect(migrated.exitCode).toBe(0)
  })
  const todo = await (
    await send(`${url}/todos`, 'POST', { title: "Robert'); drop table todo" })
  ).json()
  expect(todo).toMatchObject({ id: 1, done: 0 })
  await send(`${url}/todos`, 'POST', { title: 'second' })
  expect(await (await send(`${url}/todos/1`, 'PATCH', { done: true })).json()).toMatchObject({
    done: 1,
  })
  const titles = async () => JSON.parse(await text(`${url}/todos`)).map((it: Json) => it.title)
  expect(await titles()).toEqual(['second', "Robert'); drop table todo"])
  expect((await live(`${url}/todos/2`, { method: 'DELETE' })).status).toBe(204)
  expect(await titles()).toHaveLength(1)
  expect((await send(`${url}/todos/9`, 'PATCH', { done: true })).status).toBe(404)
  for (const wrong of [{}, null, { title: '' }, { title: 'x'.repeat(201) }])
    expect((await send(`${url}/todos`, 'POST', wrong)).status).toBe(400)
  const said = await cli.json(['db', 'exec', 'select count(*) as n from todo'], { cwd })
  expect(said.results[0].rows).toEqual([[1]])
})

test('chat-websocket: two people hear each other, and who comes later hears it too', async () => {
  const { url } = await deploy('chat-websocket')
  expect(await text(url)).toContain('<h1>Lobby</h1>')
  expect((await live(`${url}/rooms/lobby`)).status).toBe(426)
  const [ada, bob] = [enter(url, 'lobby'), enter(url, 'lobby')]
  await Promise.all([ada.opened, bob.opened])
  ada.socket.send('hello')
  await eventually(() => expect([ada.heard, bob.heard]).toEqual([['hello'], ['hello']]))
  const [late, elsewhere] = [enter(url, 'lobby'), enter(url, 'attic')]
  await eventually(() => expect(late.heard).toEqual(['hello']))
  await elsewhere.opened
  bob.socket.send('x'.repeat(1_001))
  bob.socket.send('bye')
  await eventually(() => expect(late.heard).toEqual(['hello', 'bye']))
  expect(elsewhere.heard).toEqual([])
  for (const { socket } of [ada, bob, late, elsewhere]) socket.close()
})

const dispatcher = new Agent({ connect: { lookup: loopback } })
afterAll(() => dispatcher.close())

function enter(url: string, room: string) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/rooms/${room}`, { dispatcher })
  const heard: string[] = []
  socket.addEventListener('message', ({ data }) => void heard.push(JSON.parse(data).text))
  const opened = new Promise((resolve) => socket.addEventListener('open', resolve))
  return { socket, heard, opened }
}

test('cron-job: a run is kept, with what it saw', async () => {
  const { cwd, url } = await deploy('cron-job')
  await cli.json(['env', 'set', `WATCH=${paid.chain.rpc_url}`], { cwd })
  expect(await cli.json(['cron', 'run'], { cwd })).toMatchObject({ exitCode: 0 })
  await cli.json(['env', 'set', 'WATCH=http://127.0.0.1:1'], { cwd })
  await cli.json(['cron', 'run'], { cwd })
  const results = JSON.parse(await text(url))
  expect(results).toMatchObject([
    { url: 'http://127.0.0.1:1', ok: false, saw: 403 },
    // The node of the chain wants POST.
    { url: paid.chain.rpc_url, ok: false, saw: 405 },
  ])
})

test('mcp-server: the client of the SDK lists and calls its tools', async () => {
  const { url } = await deploy('mcp-server')
  const client = new Client({ name: 'visitor', version: '1' })
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
    fetch: localFetch as typeof fetch,
  })
  await client.connect(transport)
  const { tools } = await client.listTools()
  expect(tools.map((it) => it.name)).toEqual(['roll_dice', 'time_in'])
  const { structuredContent } = await client.callTool({
    name: 'roll_dice',
    arguments: { count: 5, sides: 2 },
  })
  const { dice, sum } = structuredContent as { dice: number[]; sum: number }
  expect([dice.length, dice.reduce((all, it) => all + it)]).toEqual([5, sum])
  expect(await client.callTool({ name: 'time_in', arguments: { zone: 'Nowhere' } })).toMatchObject({
    isError: true,
  })
  await client.close()
})

test('paid-api: the stock client of mppx pays for an answer, and the payee has the money', async () => {
  const { cwd, url } = await deploy('paid-api')
  expect((await live(`${url}/fortune`)).status).toBe(503)
  const payee = await paid.newWallet(0n)
  const { id, rpc_url, token } = paid.chain
  const settings = {
    PAYEE: payee.account.address,
    MPP_SECRET: 'a secret of more than thirty-two characters',
    CHAIN_ID: id,
    RPC_URL: rpc_url,
    CURRENCY: token,
  }
  const input = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`)
  expect(await cli.json(['env', 'import', '-'], { cwd, input: input.join('') })).toMatchObject({
    exitCode: 0,
  })
  const asked = await live(`${url}/fortune`)
  expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([
    402,
    expect.stringMatching(/^Payment .*method="tempo".*intent="charge"/),
  ])

  const buyer = await paid.newWallet()
  const client = paid.clientOf(buyer)
  const charge = tempo.charge({ account: buyer.account, getClient: () => client })
  const mppx = Mppx.create({
    polyfill: false,
    methods: [charge],
    fetch: localFetch as typeof fetch,
  })
  let credential = ''
  mppx.on('credential.created', (it) => {
    credential = it.credential
  })
  const bought = await mppx.fetch(`${url}/fortune`)
  expect(bought.headers.get('payment-receipt')).toBeTruthy()
  expect(await bought.json()).toEqual({ fortune: expect.any(String) })
  const earned = () => paid.balanceOf(payee.account.address)
  expect(await earned()).toBe(10_000n)

  // What was paid with buys nothing again, also when the app has slept in between.
  await cli.json(['env', 'set', 'PRICE_USD=0.01'], { cwd })
  const again = await live(`${url}/fortune`, { headers: { authorization: credential } })
  expect([again.status, await earned()]).toEqual([402, 10_000n])
})
