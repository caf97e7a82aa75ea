import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Payer } from '../Payer.ts'
import * as tokens from '../store/tokens.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

/** The stock client with a token. */
async function connect(token = cloud.token, path = '/mcp') {
  const client = new Client({ name: 'test', version: '1' })
  const headers = { authorization: `Bearer ${token}` }
  const url = new URL(`${cloud.url}${path}`)
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }))
  onTestFinished(() => client.close())
  return client
}

// biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, not relied on
type Data = any

async function call(client: Client, name: string, given: object = {}): Promise<Data> {
  const { structuredContent, isError } = await client.callTool({ name, arguments: { ...given } })
  return isError ? { isError, ...(structuredContent as object) } : structuredContent
}

const request = (method: string, params: object = {}) => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  params,
})

const files = (text: string) => ({
  'index.js': `export default { fetch: () => { console.log(${JSON.stringify(text)}); return new Response(${JSON.stringify(text)}) } }`,
})

test('the stock client goes from nothing to a live URL, changes it, reads logs, goes back and deletes', async () => {
  const client = await connect()
  const { tools } = await client.listTools()
  expect(tools.length).toBeGreaterThan(10)
  expect(
    await call(client, 'execute_code', { code: 'export const run = (n) => n * 2', input: 21 }),
  ).toMatchObject({ result: 42, charged_usd: '0.010000' })
  const first = await call(client, 'deploy_project', { name: 'walk', files: files('one') })
  expect((await cloud.live(first.url)).text).toBe('one')
  await call(client, 'deploy_project', { name: 'walk', files: files('two') })
  expect((await cloud.live(first.url)).text).toBe('two')
  const logs = await call(client, 'get_logs', { project: 'walk' })
  expect(logs.lines.map((it: { message: string }) => it.message)).toContain('two')
  await call(client, 'rollback_project', { project: 'walk' })
  expect((await cloud.live(first.url)).text).toBe('one')
  const { project_id } = await call(client, 'get_project', { project: 'walk' })
  expect(await call(client, 'delete_project', { project: 'walk', project_id })).toMatchObject({
    deleted: true,
  })
})

test('files that are staged in pieces are deployed', async () => {
  const client = await connect()
  const [path, content] = Object.entries(files('staged'))[0] as [string, string]
  for (const [half, append] of [
    [content.slice(0, 20), false],
    [content.slice(20), true],
  ] as const)
    await call(client, 'stage_file', { project: 'pieces', path, content: half, append })
  const { url } = await call(client, 'deploy_project', { name: 'pieces', staged: true })
  expect((await cloud.live(url)).text).toBe('staged')
})

test('what there is to tell on the way comes as events, everything else as JSON', async () => {
  const accept = { accept: 'application/json, text/event-stream' }
  const listed = await cloud.api('POST', '/mcp', request('tools/list'), accept)
  expect(listed.headers['content-type']).toBe('application/json')
  const given = { name: 'deploy_project', arguments: { name: 'told', files: files('told') } }
  const told = { ...given, _meta: { progressToken: 'p' } }
  const streamed = await cloud.api('POST', '/mcp', request('tools/call', told), accept)
  expect(streamed.headers['content-type']).toBe('text/event-stream')
  const messages = streamed.text
    .split('\n')
    .filter((it) => it.startsWith('data: '))
    .map((it) => JSON.parse(it.slice(6)))
  expect(messages[0]).toMatchObject({ params: { progressToken: 'p', progress: 1 } })
  expect(messages.at(-1)).toMatchObject({ id: 1, result: { structuredContent: { name: 'told' } } })
  // Who can't read events is answered all the same.
  const plain = await cloud.api('POST', '/mcp', request('tools/call', told), {
    accept: 'application/json',
  })
  expect(plain.json).toMatchObject({ id: 1, result: { structuredContent: { name: 'told' } } })
})

test.each([{}, { accept: '*/*' }, { accept: 'application/json' }, { accept: 'text/event-stream' }])(
  'a client that sends %o works',
  async (headers) => {
    const { status, json } = await cloud.api('POST', '/mcp', request('tools/list'), headers)
    expect(status).toBe(200)
    expect(json.result.tools.length).toBeGreaterThan(10)
  },
)

test('there is nothing to listen to, and nothing to end', async () => {
  for (const method of ['GET', 'DELETE', 'PUT']) {
    const { status, headers } = await cloud.api(method, '/mcp')
    expect(status).toBe(405)
    expect(headers.allow).toBe('POST')
  }
  const notice = { jsonrpc: '2.0', method: 'notifications/initialized' }
  expect((await cloud.api('POST', '/mcp', notice)).status).toBe(202)
})

test('a revision that is not spoken is refused, and the first message agrees on one that is', async () => {
  const version = { 'mcp-protocol-version': '1999-01-01' }
  const refused = await cloud.api('POST', '/mcp', request('tools/list'), version)
  expect(refused.status).toBe(400)
  expect(refused.json.error.message).toContain('2025-11-25')
  const hello = {
    protocolVersion: '1999-01-01',
    capabilities: {},
    clientInfo: { name: 'old', version: '1' },
  }
  const { json } = await cloud.api('POST', '/mcp', request('initialize', hello))
  expect(json.result).toMatchObject({
    protocolVersion: '2025-11-25',
    serverInfo: { name: 'jack' },
    capabilities: { tools: {} },
  })
})

test('who has no token is told where to get one', async () => {
  for (const authorization of ['', 'Bearer jkt_wrong']) {
    const { status, headers } = await cloud.api('POST', '/mcp', request('tools/list'), {
      authorization,
    })
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toBe(
      [
        'Bearer realm="jack"',
        ...(authorization ? ['error="invalid_token"'] : []),
        `resource_metadata="${cloud.url}/.well-known/oauth-protected-resource/mcp"`,
        'scope="read execute deploy"',
      ].join(', '),
    )
  }
})

test('a token does through tools what it may do, and a confined one nothing else', async () => {
  const admin = await connect()
  await call(admin, 'deploy_project', { name: 'mine', files: files('mine') })
  await call(admin, 'deploy_project', { name: 'other', files: files('other') })
  const make = async (body: object) => (await cloud.api('POST', '/v1/tokens', body)).json.token
  const reader = await connect(await make({ name: 'reader', scopes: ['read'] }))
  expect(await call(reader, 'execute_code', { code: 'export const run = () => 1' })).toMatchObject({
    isError: true,
    code: 'forbidden',
  })
  const confined = await connect(
    await make({ name: 'confined', scopes: ['read', 'deploy'], project: 'mine' }),
  )
  const { projects } = await call(confined, 'list_projects')
  expect(projects.map((it: { name: string }) => it.name)).toEqual(['mine'])
  for (const [name, given] of [
    ['get_project', { project: 'other' }],
    ['get_logs', { project: 'other' }],
    ['rollback_project', { project: 'other' }],
    ['deploy_project', { name: 'other', files: files('taken') }],
    ['update_env_vars', { project: 'other', env: { A: '1' } }],
  ] as const)
    expect(await call(confined, name, given)).toMatchObject({ isError: true })
  expect(await call(confined, 'get_project', { project: 'mine' })).toMatchObject({ name: 'mine' })
})

test('a token that was made for this server is good for its tools, and for nothing else', async () => {
  const { jack } = cloud
  const { accountId } = (await jack.payers.find(cloud.token, new Date(), 'api')) as Payer
  const secret = tokens.newSecret()
  const token = {
    tokenId: jack.newId('tok'),
    accountId,
    name: 'a client',
    scopes: ['read'] as const,
    projectId: null,
    dailyCapMicroUsd: null,
    expiresAt: null,
    resource: 'mcp' as const,
  }
  await tokens.add(jack.db, token, secret)
  expect(await call(await connect(secret), 'whoami')).toMatchObject({ account_id: accountId })
  const authorization = `Bearer ${secret}`
  expect((await cloud.api('GET', '/v1/me', undefined, { authorization })).status).toBe(401)
})

test('only the toolsets that are asked for are offered', async () => {
  const client = await connect(cloud.token, '/mcp?toolsets=compute')
  const { tools } = await client.listTools()
  expect(tools.map((it) => it.name)).toEqual(['execute_code', 'get_quote'])
  await expect(client.callTool({ name: 'whoami' })).rejects.toThrow(/There is no tool/)
  const wrong = await cloud.api('POST', '/mcp?toolsets=compute,all', request('tools/list'))
  expect(wrong.status).toBe(400)
  expect(wrong.json.hint).toContain('projects')
})

test('who leaves has given up: the program ends', async () => {
  const leaving = new AbortController()
  const ended = Promise.withResolvers<void>()
  const { engine } = cloud.jack
  const { execute } = engine
  engine.execute = (it) => {
    engine.execute = execute
    it.signal?.addEventListener('abort', () => ended.resolve())
    leaving.abort()
    return execute.call(engine, it)
  }
  const code = 'export const run = () => new Promise((done) => setTimeout(done, 4000))'
  await expect(
    fetch(`${cloud.url}/mcp`, {
      method: 'POST',
      headers: { authorization: `Bearer ${cloud.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(request('tools/call', { name: 'execute_code', arguments: { code } })),
      signal: leaving.signal,
    }),
  ).rejects.toThrow()
  await ended.promise
})

test('without a wallet or a chain the public door still says how to go on', async () => {
  const client = await connect(cloud.token, '/mcp/public')
  expect(await call(client, 'whoami')).toMatchObject({ kind: 'local' })
  const answer = await fetch(`${cloud.url}/mcp/public`, {
    method: 'POST',
    body: JSON.stringify(request('tools/call', { name: 'list_projects', arguments: {} })),
    headers: { 'content-type': 'application/json' },
  })
  expect((await answer.json()).result).toMatchObject({
    isError: true,
    structuredContent: { code: 'unauthorized' },
  })
})
