import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Agent, agent } from '../agents/stdio.ts'
import {
  commandLine,
  eventually,
  fromSource,
  live,
  temporaryHome,
  type Up,
  up,
} from '../harness.ts'

// `jack mcp` as clients meet it: the stock SDK client and the inspector, against a real cloud, with a token.
const home = temporaryHome('mcp')
const nobody = temporaryHome('mcp-nobody')
let cloud: Up
let it: Agent
let env: Record<string, string>

beforeAll(async () => {
  cloud = await up(home, join(home.path, 'cloud'))
  env = { JACK_URL: cloud.ready.url, JACK_TOKEN: cloud.ready.token }
  it = await agent(home, { env })
}, 120_000)

afterAll(async () => {
  await it?.client.close()
  await cloud?.stop()
  await home.remove()
  await nobody.remove()
}, 60_000)

test('a program runs once, and says what it cost and what is left', async () => {
  const ran = await it.call('execute_code', {
    code: 'export const run = ({ a, b }) => { console.log("adding"); return a + b }',
    input: { a: 20, b: 22 },
  })
  expect(ran).toMatchObject({
    isError: false,
    result: 42,
    logs: [{ level: 'log', message: 'adding' }],
    charged_usd: '0.010000',
  })
  expect(await it.call('get_balance')).toMatchObject({ balance_usd: ran.left_usd })
})

test('what failed says why, what it cost, and what to do', async () => {
  const threw = await it.call('execute_code', {
    code: 'export const run = () => { throw Error("no") }',
  })
  expect(threw).toMatchObject({
    isError: true,
    code: 'execution_failed',
    charged_usd: '0.010000',
    left_usd: expect.any(String),
  })
  expect(
    await it.call('deploy_project', { files: { 'index.js': 'export default {' } }),
  ).toMatchObject({
    isError: true,
    code: 'bundle_failed',
    errors: [{ file: 'index.js', line: 1 }],
  })
  expect(await it.call('get_project', { project: 'not-there' })).toMatchObject({
    isError: true,
    code: 'not_found',
  })
})

test('nothing but the protocol is on stdout, whatever comes in', async () => {
  const lines = [
    'this is no JSON',
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}',
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"whoami","arguments":{}}}',
    '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"nothing"}}',
    '{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"get_project","arguments":{"project":7}}}',
    '{"jsonrpc":"2.0","id":5,"method":"no/method"}',
  ]
  const [file, ...args] = fromSource
  const { stdout, exitCode } = await execa(file, [...args, 'mcp'], {
    input: lines.map((line) => `${line}\n`).join(''),
    cwd: home.path,
    env: { ...home.env, ...env },
    extendEnv: false,
  })
  expect(exitCode).toBe(0)
  const answers = stdout.split('\n').map((line) => JSON.parse(line))
  const byId = Object.fromEntries(answers.map((answer) => [answer.id, answer]))
  expect(Object.keys(byId)).toEqual(['1', '2', '3', '4', '5'])
  expect(byId[1].result.protocolVersion).toBe('2025-06-18')
  expect(byId[2].result.structuredContent).toMatchObject({ kind: 'local' })
  expect(byId[3].error).toMatchObject({ code: -32602, message: expect.stringContaining('whoami') })
  expect(byId[4].error).toMatchObject({
    code: -32602,
    message: expect.stringContaining('`project`'),
  })
  expect(byId[5].error).toMatchObject({ code: -32601 })
  expect(stdout).not.toContain(env.JACK_TOKEN)
})

test('without a token and a wallet it starts, and every tool says how to get one', async () => {
  const alone = await agent(nobody, { env: { JACK_URL: cloud.ready.url } })
  for (const [name, args] of [
    ['list_projects', {}],
    ['execute_code', { code: 'export const run = () => 1' }],
  ] as const) {
    expect(await alone.call(name, args)).toMatchObject({
      isError: true,
      next: [{ command: 'jack login' }, { command: 'jack wallet create' }],
    })
  }
  // What is free for everybody works; and so does the rest, once there is a wallet.
  expect(await alone.call('get_quote', { code: 'export const run = () => 1' })).toMatchObject({
    price_usd: '0.010000',
  })
  const { json } = commandLine(nobody)
  for (const args of [['create', '--file', '--no-passphrase'], ['fund']])
    await json(['wallet', ...args], { env: { JACK_URL: cloud.ready.url } })
  expect(await alone.call('execute_code', { code: 'export const run = () => 1' })).toMatchObject({
    result: 1,
    left_usd: '4.990000',
  })
  await alone.client.close()
}, 60_000)

test('without a cloud it starts, and says how to start one', async () => {
  const alone = await agent(nobody, {
    env: { JACK_URL: 'http://127.0.0.1:9', JACK_TOKEN: 'jkt_x' },
  })
  expect(await alone.call('whoami')).toMatchObject({
    isError: true,
    code: 'network',
    next: [{ command: 'jack up' }],
  })
  await alone.client.close()
}, 60_000)

test('the wallet pays within its limits', async () => {
  const wallet = { JACK_URL: cloud.ready.url }
  const held = await agent(nobody, { env: wallet, args: ['--max-spend', '0.02'] })
  const code = 'export const run = () => 1'
  expect(await held.call('execute_code', { code })).toMatchObject({
    isError: false,
    left_usd: '4.980000',
  })
  expect(await held.call('deploy_project', { files: { 'index.html': 'hi' } })).toMatchObject({
    isError: true,
    code: 'spending_limit',
    next: [{ command: expect.stringContaining('jack wallet limit') }, {}],
  })
  expect(await held.call('list_projects')).toMatchObject({ projects: [] })
  await held.client.close()
}, 60_000)

test('above the threshold the user is asked, and who cannot be asked pays nothing', async () => {
  const before = await it.call('get_balance')
  expect(await it.call('add_balance', { amount_usd: '1.000001' })).toMatchObject({
    isError: true,
    code: 'spending_limit',
  })
  expect(await it.call('get_balance')).toEqual(before)

  const questions: string[] = []
  let action: 'accept' | 'decline' = 'decline'
  const asking = new Client(
    { name: 'asking', version: '1' },
    { capabilities: { elicitation: { form: {} } } },
  )
  asking.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    questions.push(params.message)
    return { action, ...(action === 'accept' && { content: {} }) }
  })
  const asked = await agent(home, { env, client: asking, args: ['--ask-above', '0.02'] })
  const page = { files: { 'index.html': 'hi' }, name: 'asked' }
  expect(await asked.call('deploy_project', page)).toMatchObject({
    isError: true,
    code: 'spending_limit',
  })
  action = 'accept'
  expect(await asked.call('deploy_project', page)).toMatchObject({ isError: false, name: 'asked' })
  expect(await asked.call('execute_code', { code: 'export const run = () => 1' })).toMatchObject({
    result: 1,
  })
  expect(questions).toHaveLength(2)
  expect(questions[0]).toContain('$0.050000')
  await asking.close()
}, 60_000)

test('a call that is cancelled ends', async () => {
  const { balance_usd } = await it.call('get_balance')
  const controller = new AbortController()
  const endless = it.client.callTool(
    {
      name: 'execute_code',
      arguments: {
        code: 'export const run = () => new Promise(() => setInterval(() => {}, 1000))',
      },
    },
    undefined,
    { signal: controller.signal },
  )
  setTimeout(() => controller.abort('enough'), 300)
  await expect(endless).rejects.toThrow('enough')
  // The server goes on with the next, and holds nothing of the one that was given up.
  await eventually(async () => {
    const after = await it.call('get_balance')
    expect(after.held_usd).toBe('0.000000')
    expect(Number(balance_usd) - Number(after.balance_usd)).toBeLessThanOrEqual(0.010001)
  })
})

test('logs keep to their budget, errors first, and steer no terminal', async () => {
  const { url } = await it.call('deploy_project', {
    name: 'chatty',
    files: {
      'index.js': `export default { fetch() {
        console.error('the one that matters \\u001b]0;owned\\u0007\\u001b[2J\\u202e')
        for (let i = 0; i < 300; i++) console.log('line ' + i + ' ' + 'x'.repeat(100))
        return new Response('ok')
      } }`,
    },
  })
  await live(url)
  const logs = await eventually(async () => {
    const found = await it.call('get_logs', { project: 'chatty', max_tokens: 1_000 })
    expect(found.errors.length).toBe(1)
    expect(found.lines.length).toBeGreaterThan(1)
    return found
  })
  expect(logs.errors[0].message).toBe('the one that matters ')
  expect(JSON.stringify(logs).length / 3).toBeLessThan(1_300)
  expect(logs.omitted).toBeGreaterThan(100)
  expect(logs.rest).toContain('since')
  // From the beginning on, page by page, nothing is left out and nothing comes twice.
  const seen: string[] = []
  let page = await it.call('get_logs', { project: 'chatty', since: '1h', max_tokens: 5_000 })
  for (;;) {
    seen.push(...[...page.errors, ...page.lines].map(({ message }) => message.slice(0, 9)))
    if (page.rest === null) break
    page = await it.call('get_logs', {
      project: 'chatty',
      cursor: page.next_cursor,
      max_tokens: 5_000,
    })
  }
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.filter((message) => message.startsWith('line '))).toHaveLength(300)
}, 60_000)

test('lists keep to their budget, and their cursor goes on where they end', async () => {
  for (let n = 0; n < 12; n++)
    await it.call('stage_file', {
      project: 'many',
      path: `${n}-${'x'.repeat(200)}.js`,
      content: '',
    })
  const paths: string[] = []
  let cursor: string | undefined
  do {
    const page = await it.call('list_staged_files', { project: 'many', max_tokens: 300, cursor })
    expect(page.files.length).toBeLessThan(6)
    paths.push(...page.files.map((file: { path: string }) => file.path))
    cursor = page.next_cursor ?? undefined
  } while (cursor !== undefined)
  expect(new Set(paths).size).toBe(12)
  expect(paths).toHaveLength(12)
})

test('folders that nobody means are not deployed', async () => {
  mkdirSync(join(home.path, 'home', '.ssh'), { recursive: true })
  writeFileSync(join(home.path, 'home', '.ssh', 'index.html'), 'keys')
  symlinkSync(join(home.path, 'home', '.ssh'), join(home.path, 'innocent'))
  for (const path of ['/', home.env.HOME, 'home', 'home/.ssh', 'innocent', '..', 'not-there']) {
    expect(await it.call('deploy_project', { path, name: 'oops' }), path).toMatchObject({
      isError: true,
      code: 'usage',
    })
  }
})

test('toolsets choose what is offered', async () => {
  const some = await agent(home, { env, args: ['--toolsets', 'compute,account'] })
  const { tools } = await some.client.listTools()
  expect(tools.map(({ name }) => name)).toEqual([
    'add_balance',
    'execute_code',
    'get_balance',
    'get_quote',
    'whoami',
  ])
  await expect(some.call('list_projects')).rejects.toThrow(/-32602/)
  await some.client.close()
})

test('projects, logs, prices and limits can be read as resources', async () => {
  await it.call('deploy_project', { name: 'page', files: { 'index.html': 'hi' } })
  const { resources } = await it.client.listResources()
  expect(resources.map(({ uri }) => uri)).toEqual(
    expect.arrayContaining(['jack://pricing', 'jack://limits', 'jack://projects/page']),
  )
  const { resourceTemplates } = await it.client.listResourceTemplates()
  expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
    'jack://projects/{name}',
    'jack://projects/{name}/logs',
  ])
  const read = async (uri: string) => {
    const { contents } = await it.client.readResource({ uri })
    return JSON.parse((contents[0] as { text: string }).text)
  }
  expect(await read('jack://projects/page')).toMatchObject({ name: 'page', deployments: [{}] })
  expect(await read('jack://projects/page/logs')).toMatchObject({ untrusted: 'message' })
  expect(await read('jack://pricing')).toMatchObject({ prices: { execute_usd: '0.010000' } })
  expect(await read('jack://limits')).toMatchObject({ execution: { cpuMs: 50 } })
  for (const uri of ['jack://projects/none', 'jack://nothing', 'file:///etc/passwd'])
    await expect(read(uri), uri).rejects.toThrow(/-32002/)
})

test('prompts begin a deploy and a search for what is wrong', async () => {
  const { prompts } = await it.client.listPrompts()
  expect(prompts.map(({ name }) => name)).toEqual(['debug_url', 'deploy_this'])
  const { messages } = await it.client.getPrompt({
    name: 'debug_url',
    arguments: { url: 'https://x.example' },
  })
  expect(messages[0]?.content).toMatchObject({ text: expect.stringContaining('https://x.example') })
  await expect(it.client.getPrompt({ name: 'debug_url' })).rejects.toThrow(/-32602.*`url`/)
})

test('the inspector lists the tools and calls one', async () => {
  const passed = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`])
  const inspect = async (...args: string[]) => {
    const { stdout } = await execa(
      'node_modules/.bin/mcp-inspector',
      ['--cli', ...passed, ...fromSource, 'mcp', ...args],
      { env: home.env, extendEnv: false },
    )
    return JSON.parse(stdout)
  }
  const { tools } = await inspect('--method', 'tools/list')
  expect(tools).toHaveLength(14)
  const called = await inspect(
    ...['--method', 'tools/call', '--tool-name', 'execute_code'],
    ...['--tool-arg', 'code=export const run = () => 6 * 7'],
  )
  expect(called.structuredContent).toMatchObject({ result: 42 })
}, 60_000)
