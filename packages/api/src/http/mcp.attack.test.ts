import { type Challenge, Credential } from 'mppx'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newWallet, testChain } from '../payments/localnet/testing.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { handmade } from '../testing/handmade.ts'

const chain = testChain()
const lines: string[] = []
let cloud: TestCloud
beforeAll(async () => {
  const log = pino({ level: 'trace' }, { write: (it) => lines.push(it) })
  cloud = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: (await chain()).rpcUrl }, log)
  for (const name of ['mine', 'theirs'])
    expect((await cloud.api('POST', '/deploy', { name, files })).status).toBe(201)
})
afterAll(() => cloud.close())

const files = { 'index.js': 'export default { fetch: () => new Response("hi") }' }
const program = { code: 'export const run = (n) => n * 2', input: 21 }

const message = (name: string, given: object, meta: object = {}, id: unknown = 1) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: given, _meta: meta },
})
const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' }

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  cloud.api('POST', path, body, headers)

/** What a tool answers to somebody with a token. */
async function call(name: string, given: object) {
  const { json } = await post('/mcp', message(name, given))
  return json.error ?? { isError: json.result.isError, ...json.result.structuredContent }
}

/** Asks the public door, as somebody who has no token. */
async function wallet(name: string, given: object, credential?: unknown, to = cloud) {
  const meta = credential === undefined ? {} : { 'org.paymentauth/credential': credential }
  const answer = await fetch(`${to.url}/mcp/public`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(message(name, given, meta)),
  })
  const { error, result } = await answer.json()
  return { error, result, challenges: (error?.data?.challenges ?? []) as Challenge.Challenge[] }
}

const parsed = (credential: string) => Credential.deserialize(credential)

test.each([
  'https://evil.example',
  'http://mine.localhost:1',
  'http://127.0.0.1:1',
  'http://127.0.0.1.evil.example',
  'null',
  'file://',
])('a page from %s may use neither door', async (origin) => {
  for (const path of ['/mcp', '/mcp/public']) {
    const { status, json } = await post(path, list, { origin })
    expect(status).toBe(403)
    expect(json.code).toBe('forbidden')
  }
})

test('an app that is hosted here is a page of somebody else', async () => {
  const { json } = await cloud.api('GET', '/v1/projects/mine')
  for (const path of ['/mcp', '/mcp/public'])
    expect((await post(path, list, { origin: new URL(json.url).origin })).status).toBe(403)
})

test('a page of this very server may use both', async () => {
  for (const path of ['/mcp', '/mcp/public'])
    expect((await post(path, list, { origin: cloud.url })).status).toBe(200)
})

test.each(['evil.example', 'evil.example:8787', 'localhost.evil.example', '127.0.0.1.nip.io'])(
  'under the name %s there is no MCP server',
  async (host) => {
    for (const path of ['/mcp', '/mcp/public']) {
      const { status } = await cloud.live(`http://${host}${path}`, {
        method: 'POST',
        headers: {
          host,
          'content-type': 'application/json',
          authorization: `Bearer ${cloud.token}`,
        },
        body: JSON.stringify(list),
      })
      expect(status).toBe(404)
    }
  },
)

test('a token in a URL is refused, with or without another, and written down nowhere', async () => {
  for (const query of [
    `token=${cloud.token}`,
    `access_token=${cloud.token}`,
    `x=${cloud.token}`,
    'api_key=1',
  ])
    for (const path of ['/mcp', '/mcp/public'])
      for (const headers of [{}, { authorization: 'Bearer jkt_wrong' }]) {
        const { status, text } = await post(`${path}?${query}`, list, headers)
        expect(status === 400 || status === 401).toBe(true)
        expect(text).not.toContain(cloud.token)
      }
  const { status, json } = await post(`/mcp?token=${cloud.token}`, list)
  expect(status).toBe(400)
  expect(json.detail).toContain('URL')
  expect(lines.join('')).not.toContain(cloud.token)
})

test('a batch counts message by message, and has an end', async () => {
  // An address has 200 a minute: each message is one, and what a tool asks the doors is another.
  const few = await testCloud({ JACK_REQUESTS_PER_MINUTE: '100' })
  try {
    const refusedOf = async (length: number) => {
      const batch = Array.from({ length }, (_, id) => message('whoami', {}, {}, id))
      const { json } = await few.api('POST', '/mcp', batch)
      expect(json).toHaveLength(length)
      return json.filter(
        (it: { result: { structuredContent: { code?: string } } }) =>
          it.result.structuredContent.code === 'rate_limited',
      ).length
    }
    expect(await refusedOf(50)).toBe(0)
    expect(await refusedOf(60)).toBe(20)
    expect((await few.api('POST', '/mcp', Array(100).fill(list))).status).toBe(429)
    expect((await few.api('GET', '/v1/me')).status).toBe(429)
  } finally {
    await few.close()
  }
  const endless = Array.from({ length: 101 }, () => list)
  expect((await post('/mcp', endless)).status).toBe(400)
  expect((await post('/mcp', [])).status).toBeLessThan(500)
  // Of two under one id, one is answered, and nobody waits for the other.
  expect((await post('/mcp', [list, list])).status).toBe(200)
})

test('a body that is too large is refused before it is read', async () => {
  const huge = message('execute_code', { code: 'x'.repeat(2_000_000) })
  for (const path of ['/mcp', '/mcp/public']) {
    const { status, json } = await post(path, huge)
    expect([status, json.code]).toEqual([413, 'body_too_large'])
  }
})

test.each([
  ['no JSON', '{"jsonrpc"'],
  ['no message', '{"a":1}'],
  ['a number', '5'],
  ['null', 'null'],
  ['depth', '['.repeat(200_000)],
  ['closed depth', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
  [
    'depth in an argument',
    JSON.stringify(message('execute_code', { ...program, input: 0 })).replace(
      '"input":0',
      `"input":${'['.repeat(50_000)}${']'.repeat(50_000)}`,
    ),
  ],
])('%s is answered, and the server goes on', async (_, body) => {
  for (const path of ['/mcp', '/mcp/public']) {
    const answer = await fetch(`${cloud.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${cloud.token}`, 'content-type': 'application/json' },
      body,
    })
    expect(answer.status).toBeLessThan(500)
    expect(await answer.text()).not.toMatch(/node_modules|at Object|\.ts:/)
  }
  expect((await post('/mcp', list)).status).toBe(200)
})

test('a confined token reaches no other project, whatever a tool is told', async () => {
  const made = await cloud.api('POST', '/v1/tokens', {
    name: 'confined',
    scopes: ['read', 'execute', 'deploy'],
    project: 'mine',
  })
  const authorization = `Bearer ${made.json.token}`
  const { project_id, url } = (await cloud.api('GET', '/v1/projects/theirs')).json
  for (const [name, given] of [
    ['get_project', { project: 'theirs' }],
    ['get_project', { project: project_id }],
    ['get_logs', { project: project_id }],
    ['rollback_project', { project: 'theirs' }],
    ['update_env_vars', { project: 'theirs', env: { A: 'b' } }],
    ['deploy_project', { name: 'theirs', files }],
    ['delete_project', { project: 'theirs', project_id }],
    ['stage_file', { project: 'theirs', path: 'a.js', content: 'x' }],
    ['list_staged_files', { project: 'theirs' }],
  ] as const) {
    const { json } = await post('/mcp', message(name, given), { authorization })
    expect(json.result, name).toMatchObject({ isError: true })
    expect(JSON.stringify(json)).not.toContain(url)
  }
  expect((await cloud.live(url)).text).toBe('hi')
})

const elsewhere = [
  '../tokens',
  '..',
  '.',
  '%2e%2e',
  '%2e%2e%2ftokens',
  '..%2f..%2fexecute',
  'mine/../theirs',
  'mine/env',
  'mine?x=1',
  'mine#x',
  'mine\\..\\theirs',
  'mine\r\nx-evil: 1',
  'mine\0',
  '/v1/tokens',
  'http://evil.example/',
]

test.each(elsewhere)('the project %j leads nowhere else', async (project) => {
  const asked: string[] = []
  const seen = lines.length
  for (const [name, given] of [
    ['get_project', { project }],
    ['get_logs', { project }],
    ['rollback_project', { project }],
    ['delete_project', { project, project_id: project }],
    ['update_env_vars', { project, env: { A: 'b' } }],
    ['list_staged_files', { project }],
    ['stage_file', { project, path: 'a', content: 'b' }],
  ] as const) {
    const answer = await call(name, given)
    expect(
      answer.isError === true || answer.code === -32602,
      `${name} ${JSON.stringify(answer)}`,
    ).toBe(true)
  }
  for (const line of lines.slice(seen)) {
    const { within, path, status } = JSON.parse(line)
    if (!within) continue
    asked.push(path)
    expect(status).toBeGreaterThanOrEqual(400)
  }
  for (const path of asked) expect(path).toMatch(/^\/v1\/projects\/[^/]+(\/[a-z]+)?$/)
})

test('the deployment to go back to leads nowhere else either', async () => {
  for (const deployment_id of ['../../tokens', '%2e%2e', 'x?y=1', 'a\nb'])
    expect(await call('rollback_project', { project: 'mine', deployment_id })).toMatchObject({
      isError: true,
    })
})

test('what a tool is told makes no second line in the log, and steers no terminal', async () => {
  const evil = 'x\n{"level":30,"msg":"forged"}\r\n\u001b[2Jforged'
  await call('get_project', { project: evil })
  await call(evil, {})
  await post('/mcp', message('execute_code', { code: evil }))
  await wallet(evil, {}, { challenge: { id: evil }, payload: evil })
  for (const line of lines) {
    for (const mark of ['\n', '\r', '\u001b']) expect(line.trimEnd()).not.toContain(mark)
    expect(JSON.parse(line).msg).not.toBe('forged')
  }
})

test('no header and no field of a message makes anybody somebody else', async () => {
  const within = { requestId: 'req_x', payer: { accountId: 'acc_x', scopes: ['admin'] } }
  for (const headers of [
    { within: JSON.stringify(within), 'x-within': JSON.stringify(within) },
    { 'x-forwarded-for': '127.0.0.1', 'x-payer': 'acc_x' },
  ]) {
    const answer = await fetch(`${cloud.url}/mcp/public`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers } as Record<string, string>,
      body: JSON.stringify({ ...message('whoami', {}, { within, payer: within.payer }) }),
    })
    expect((await answer.json()).error.code).toBe(-32042)
  }
})

async function signer() {
  const account = await newWallet(await chain())
  return handmade(await chain(), account)
}

test('a credential is good for its tool with its arguments, once', async () => {
  const { account, prove: proof } = await signer()
  const asked = async (name: string, given: object) => {
    const { challenges } = await wallet(name, given)
    return parsed(await proof(challenges[0] as Challenge.Challenge))
  }
  // Another tool that begins with the very same request.
  const { project_id } = (await cloud.api('GET', '/v1/projects/mine')).json
  const read = await asked('get_project', { project: 'mine' })
  const deleted = await wallet('delete_project', { project: 'mine', project_id }, read)
  expect(deleted.error).toMatchObject({
    code: -32043,
    message: expect.stringContaining('another route'),
  })
  // The same tool with other arguments.
  const listed = await asked('list_projects', {})
  expect((await wallet('list_projects', { max_tokens: 2_000 }, listed)).error.code).toBe(-32043)
  // Not at the door of HTTP either.
  const direct = await cloud.api('GET', '/v1/me', undefined, {
    authorization: Credential.serialize(await asked('whoami', {})),
  })
  expect(direct.status).toBe(402)
  // What is good is good once.
  const me = await asked('whoami', {})
  expect((await wallet('whoami', {}, me)).result.structuredContent).toMatchObject({
    address: account.address.toLowerCase(),
  })
  expect((await wallet('whoami', {}, me)).error).toMatchObject({
    code: -32043,
    data: { httpStatus: 402, problem: { detail: 'This proof was used before.' } },
  })
})

test('who sends the same payment again gets the same answer, and has paid once', async () => {
  const { charge } = await signer()
  const { challenges } = await wallet('execute_code', program)
  const credential = parsed(
    await charge(challenges.find((it) => it.intent === 'charge') as Challenge.Challenge),
  )
  const first = await wallet('execute_code', program, credential)
  const again = await wallet('execute_code', program, credential)
  expect(first.result.structuredContent).toMatchObject({ result: 42 })
  expect(again.result.structuredContent.execution_id).toBe(
    first.result.structuredContent.execution_id,
  )
  expect((await wallet('execute_code', { ...program, input: 1 }, credential)).error.code).toBe(
    -32043,
  )
})

test('a wallet reaches nothing of another', async () => {
  const { prove: proof } = await signer()
  for (const [name, given] of [
    ['get_project', { project: 'mine' }],
    ['get_logs', { project: 'mine' }],
    ['rollback_project', { project: 'mine' }],
  ] as const) {
    const { challenges } = await wallet(name, given)
    const credential = parsed(await proof(challenges[0] as Challenge.Challenge))
    const { result } = await wallet(name, given, credential)
    expect(result).toMatchObject({ isError: true, structuredContent: { code: 'not_found' } })
  }
})

test.each([
  ['a word', 'jkt_1'],
  ['nothing', null],
  ['no challenge', { payload: {} }],
  [
    'a challenge of nobody',
    {
      challenge: { id: 'x', realm: 'x', method: 'tempo', intent: 'charge', request: {} },
      payload: {},
    },
  ],
  ['a circle of types', { challenge: [], payload: [] }],
])('%s as a credential is refused like one over HTTP', async (_, credential) => {
  const { error } = await wallet('whoami', {}, credential)
  expect(error.data).toMatchObject({ httpStatus: 402, challenges: [{ intent: 'charge' }] })
  expect([-32602, -32043]).toContain(error.code)
})

test('who forges many credentials waits, wherever he sends them', async () => {
  const few = await testCloud({
    JACK_CHAIN: 'local',
    JACK_RPC_URL: (await chain()).rpcUrl,
    JACK_REQUESTS_PER_MINUTE: '5000',
  })
  try {
    const forged = { challenge: { id: 'x' }, payload: {} }
    for (let i = 0; i < 60; i++) await wallet('whoami', {}, forged, few)
    const { result } = await wallet('whoami', {}, forged, few)
    expect(result).toMatchObject({ isError: true, structuredContent: { code: 'rate_limited' } })
    const direct = await fetch(`${few.url}/v1/me`, { headers: { authorization: 'Payment x' } })
    expect(direct.status).toBe(429)
  } finally {
    await few.close()
  }
})
