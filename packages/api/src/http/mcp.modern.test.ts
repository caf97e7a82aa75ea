import { type Challenge, Credential } from 'mppx'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newWallet, testChain } from '../payments/localnet/testing.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { handmade } from '../testing/handmade.ts'

const chain = testChain()
let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: (await chain()).rpcUrl })
})
afterAll(() => cloud.close())

const program = { code: 'export const run = (n) => n * 2', input: 21 }

/** A message of the revision 2026-07-28, which says of itself what older clients agreed on first. */
async function ask(path: string, method: string, params: object = {}, meta: object = {}) {
  const { name } = params as { name?: string }
  const version = '2026-07-28'
  const answer = await fetch(`${cloud.url}${path}`, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': version,
      'mcp-method': method,
      ...(name !== undefined && { 'mcp-name': name }),
      ...(path === '/mcp' && { authorization: `Bearer ${cloud.token}` }),
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 7,
      method,
      params: {
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': version,
          'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': {},
          ...meta,
        },
      },
    }),
  })
  const text = await answer.text()
  const events = text.split('\n').filter((it) => it.startsWith('data: '))
  const messages = events.length > 0 ? events.map((it) => it.slice(6)) : [text]
  return { status: answer.status, messages: messages.map((it) => JSON.parse(it)) }
}

test('both revisions offer the same tools, resources and prompts', async () => {
  for (const kind of ['tools', 'resources', 'prompts']) {
    const older = await cloud.api('POST', '/mcp', { jsonrpc: '2.0', id: 1, method: `${kind}/list` })
    const { messages } = await ask('/mcp', `${kind}/list`)
    expect(messages[0].result[kind]).toEqual(older.json.result[kind])
    expect(messages[0].result[kind].length).toBeGreaterThan(0)
  }
  const { messages } = await ask('/mcp', 'server/discover')
  expect(messages[0].result.supportedVersions).toContain('2026-07-28')
})

test('a tool does the same, and tells on the way how far it is', async () => {
  const files = { 'index.js': 'export default { fetch: () => new Response("modern") }' }
  const params = { name: 'deploy_project', arguments: { name: 'modern', files } }
  const { messages } = await ask('/mcp', 'tools/call', params, { progressToken: 'p' })
  expect(messages[0]).toMatchObject({ params: { progressToken: 'p', progress: 1 } })
  const { url } = messages.at(-1).result.structuredContent
  expect((await cloud.live(url)).text).toBe('modern')
})

test('a revision of the future is refused with those that are spoken', async () => {
  const answer = await cloud.api(
    'POST',
    '/mcp',
    { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} },
    { 'mcp-protocol-version': '2099-01-01' },
  )
  expect(answer.status).toBe(400)
})

test('a wallet is asked by a result, as the newer revision has no error for it, and pays', async () => {
  const params = { name: 'execute_code', arguments: program }
  const asked = await ask('/mcp/public', 'tools/call', params)
  const { isError, _meta } = asked.messages[0].result
  expect(isError).toBe(true)
  const { challenges } = _meta['org.paymentauth/payment-required']
  const charge = challenges.find((it: Challenge.Challenge) => it.intent === 'charge')
  const wallet = handmade(await chain(), await newWallet(await chain()))
  const credential = Credential.deserialize(await wallet.charge(charge))
  const paid = await ask('/mcp/public', 'tools/call', params, {
    'org.paymentauth/credential': credential,
  })
  expect(paid.messages[0].result).toMatchObject({
    structuredContent: { result: 42, charged_usd: '0.010000' },
    _meta: { 'org.paymentauth/receipt': { status: 'success' } },
  })
})

test('the revision opens no door: tokens and origins are checked before', async () => {
  const headers = { 'mcp-protocol-version': '2026-07-28', authorization: 'Bearer jkt_wrong' }
  expect((await cloud.api('POST', '/mcp', {}, headers)).status).toBe(401)
  const page = { 'mcp-protocol-version': '2026-07-28', origin: 'https://evil.example' }
  expect((await cloud.api('POST', '/mcp/public', {}, page)).status).toBe(403)
})
