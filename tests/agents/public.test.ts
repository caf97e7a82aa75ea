import { localFetch } from '@jackcloud/sdk/node'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { tempo } from 'mppx/client'
import { McpClient } from 'mppx/mcp/client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type PaidCloud, paidCloud, doubling as program } from '../payments/paying.ts'

// An agent that has a wallet and nothing else, with the stock clients of both protocols.
vi.setConfig({ testTimeout: 120_000 })
let paid: PaidCloud
beforeAll(async () => {
  paid = await paidCloud('public')
}, 120_000)
afterAll(() => paid?.close())

async function agent(methods: readonly ('session' | 'charge')[], path = '/mcp/public') {
  const wallet = await paid.newWallet()
  const { account } = wallet
  const chainClient = paid.clientOf(wallet)
  const getClient = () => chainClient
  const client = new Client({ name: 'agent', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${paid.url}${path}`)))
  const seen: string[] = []
  const paying = McpClient.wrap(client, {
    methods: methods.map((it) =>
      it === 'session'
        ? tempo.session({ account, getClient, maxDeposit: '5' })
        : tempo.charge({ account, getClient }),
    ),
    onPaymentRequired: ({ intent, request }) => {
      seen.push(`${intent} ${request.amount}`)
      return true
    },
  })
  return {
    account,
    client,
    /** What was asked for, in order. */
    seen,
    // biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, not relied on
    async call(name: string, given: object = {}): Promise<any> {
      const { structuredContent, isError, receipt } = await paying.callTool({
        name,
        arguments: { ...given },
      })
      return { ...(structuredContent as object), receipt, ...(isError === true && { isError }) }
    },
  }
}

const files = (text: string) => ({
  'index.js': `export default { fetch: () => { console.log(${JSON.stringify(text)}); return new Response(${JSON.stringify(text)}) } }`,
})
const live = async (url: string): Promise<string> => (await localFetch(url, {})).text()

test('a wallet alone goes from nothing to a live URL, changes it, reads logs, goes back and deletes', async () => {
  const { account, call, seen } = await agent(['session', 'charge'])
  const first = await call('deploy_project', { name: 'walk', files: files('one') })
  expect(first).toMatchObject({ charged_usd: '0.050000', left_usd: '4.950000' })
  expect(first.receipt).toMatchObject({ method: 'tempo', status: 'success' })
  expect(await live(first.url)).toBe('one')
  const second = await call('deploy_project', { name: 'walk', files: files('two') })
  expect(second).toMatchObject({ created: false, left_usd: '4.900000' })
  expect(await live(first.url)).toBe('two')
  const logs = await call('get_logs', { project: 'walk' })
  expect(logs.lines.map((it: { message: string }) => it.message)).toContain('two')
  expect(await call('rollback_project', { project: 'walk' })).toMatchObject({ url: first.url })
  expect(await live(first.url)).toBe('one')
  const { project_id, deployments } = await call('get_project', { project: 'walk' })
  expect(deployments).toHaveLength(2)
  expect(await call('delete_project', { project: 'walk', project_id })).toMatchObject({
    deleted: true,
  })
  expect((await localFetch(first.url, {})).status).toBe(404)
  expect(await call('whoami')).toMatchObject({
    kind: 'wallet',
    address: account.address.toLowerCase(),
  })
  expect(seen).toEqual([
    'session 50000',
    'session 50000',
    ...Array.from({ length: 5 }, () => 'charge 0'),
  ])
})

test('a session pays program after program, and says what is left of it', async () => {
  const { call, seen } = await agent(['session'])
  for (const left_usd of ['4.990000', '4.980000', '4.970000']) {
    const answer = await call('execute_code', program)
    expect(answer).toMatchObject({ result: 42, charged_usd: '0.010000', left_usd })
    expect(answer.receipt).toMatchObject({ intent: 'session', challengeId: expect.any(String) })
  }
  expect(seen).toEqual(Array.from({ length: 3 }, () => 'session 10000'))
})

test('one transaction pays one program, or an app for a day', async () => {
  const { account, call, seen } = await agent(['charge'])
  const before = await paid.balanceOf(account.address)
  const answer = await call('execute_code', program)
  expect(answer).toMatchObject({ result: 42, charged_usd: '0.010000', left_usd: null })
  expect(answer.receipt.reference).toMatch(/^0x/)
  expect(await paid.balanceOf(account.address)).toBeLessThanOrEqual(before - 10_000n)
  const deployed = await call('deploy_project', { name: 'day', files: files('day') })
  expect(deployed).toMatchObject({ charged_usd: '0.100000' })
  expect(Date.parse(deployed.expires_at) - Date.now()).toBeGreaterThan(23.9 * 3_600_000)
  expect(await live(deployed.url)).toBe('day')
  expect(seen).toEqual(['charge 10000', 'charge 100000'])
})

test('a wallet adds to its balance, and reads what it has', async () => {
  const { call } = await agent(['session', 'charge'])
  expect(await call('add_balance', { amount_usd: '0.5' })).toMatchObject({
    added_usd: '0.500000',
    left_usd: '4.500000',
  })
  expect(await call('get_balance')).toMatchObject({
    balance_usd: '0.500000',
    sessions: [{ deposit_usd: '5.000000' }],
  })
})

test('a session that is used up is topped up, and goes on', async () => {
  const wallet = await paid.newWallet()
  const { account } = wallet
  const chainClient = paid.clientOf(wallet)
  const client = new Client({ name: 'agent', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${paid.url}/mcp/public`)))
  let channel: { channelId: `0x${string}`; descriptor?: unknown } | undefined
  const paying = McpClient.wrap(client, {
    methods: [
      tempo.session({
        account,
        getClient: () => chainClient,
        maxDeposit: '10',
        onChannelUpdate: ({ channelId, descriptor }) => {
          channel = { channelId, descriptor }
        },
      }),
    ],
  })
  const call = { name: 'execute_code', arguments: { ...program } }
  // All that is deposited.
  await paying.callTool({ name: 'add_balance', arguments: { amount_usd: '5' } })
  await expect(paying.callTool(call)).rejects.toMatchObject({
    code: -32043,
    data: { problem: { type: expect.stringContaining('amount-exceeds-deposit') } },
  })
  const context = { action: 'topUp', additionalDeposit: '1', ...channel } as never
  const changed = await paying.callTool(call, undefined, { context })
  expect(changed.structuredContent).toMatchObject({ message: expect.stringContaining('not run') })
  expect(changed.receipt).toBeTruthy()
  expect((await paying.callTool(call)).structuredContent).toMatchObject({ result: 42 })
})

test('who asks for it gets challenges in results, and pays them as well', async () => {
  const { call, client } = await agent(['session', 'charge'], '/mcp/public?challenges=result')
  expect(await call('execute_code', program)).toMatchObject({ result: 42 })
  expect(await call('list_projects')).toMatchObject({ projects: [] })
  // The client itself, without what pays.
  const asked = await Client.prototype.callTool.call(client, {
    name: 'execute_code',
    arguments: program,
  })
  expect(asked).toMatchObject({
    isError: true,
    structuredContent: { code: 'payment_required' },
    _meta: {
      'org.paymentauth/payment-required': {
        httpStatus: 402,
        challenges: [{ intent: 'session' }, { intent: 'charge' }],
      },
    },
  })
})

test('whoever looks around pays nothing and proves nothing', async () => {
  const { call, client, seen } = await agent(['session', 'charge'])
  const { tools } = await client.listTools()
  expect(tools.map((it) => it.name)).toContain('deploy_project')
  expect(await call('get_quote', { code: program.code })).toMatchObject({ price_usd: '0.010000' })
  expect(seen).toEqual([])
})

test('what can be seen to fail is not paid for', async () => {
  const first = await agent(['session', 'charge'])
  const before = await paid.balanceOf(first.account.address)
  expect(await first.call('execute_code', { code: 'export const run = (' })).toMatchObject({
    isError: true,
    code: 'bundle_failed',
  })
  expect(await paid.balanceOf(first.account.address)).toBe(before)

  // To see this one fail it has to be started: there is a deposit, and nothing is taken of it.
  const second = await agent(['session', 'charge'])
  const given = { files: files('no'), verify: [{ path: '/', status: 201 }] }
  expect(await second.call('deploy_project', given)).toMatchObject({
    isError: true,
    code: 'deploy_failed',
  })
  expect(await second.call('get_balance')).toMatchObject({
    sessions: [{ deposit_usd: '5.000000', spent_usd: '0.000000' }],
  })

  const { call, seen } = await agent(['session', 'charge'])
  await expect(call('execute_code', { code: 5 })).rejects.toThrow(/-32602/)
  await expect(call('deploy_project', { budget_usd: '-1' })).rejects.toThrow(/-32602/)
  expect(seen).toEqual([])
})
