import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { InMemoryTransport } from '@modelcontextprotocol/sdk/inMemory.js'
import { expect, onTestFinished, test } from 'vitest'
import { createJack } from '../Jack.ts'
import { JackError } from '../JackError.ts'
import { createMcpServer } from './server.ts'
import type { Caller } from './Tool.ts'

/** A client of a server whose API answers as told. */
async function client(answer: (path: string) => Response, rest: Partial<Caller> = {}) {
  const jack = createJack({
    token: 'jkt_test',
    retries: 0,
    fetch: async (url) => answer(new URL(url).pathname),
  })
  const server = createMcpServer({ caller: () => ({ jack, ...rest }), host: {} })
  return connected(server)
}

async function connected(server: ReturnType<typeof createMcpServer>) {
  const client = new Client({ name: 'test', version: '1' })
  const [here, there] = InMemoryTransport.createLinkedPair()
  await Promise.all([server.connect(there), client.connect(here)])
  await client.listTools()
  onTestFinished(() => client.close())
  return client
}

const problem = (status: number, body: object) =>
  Response.json({ type: 't', title: 't', status, ...body }, { status })

test('a failure is a result that clients which check outputs accept', async () => {
  const it = await client(() =>
    problem(401, { code: 'unauthorized', detail: 'This needs a token.', hint: 'Get one.' }),
  )
  const result = await it.callTool({ name: 'list_projects', arguments: {} })
  expect(result.isError).toBe(true)
  expect(result.structuredContent).toMatchObject({ code: 'unauthorized', hint: 'Get one.' })
  expect(result.content).toEqual([{ type: 'text', text: JSON.stringify(result.structuredContent) }])
})

test('arguments that are wrong and tools that are not there are errors of the protocol', async () => {
  const it = await client(() => Response.json({}))
  await expect(
    it.callTool({ name: 'list_projects', arguments: { max_tokens: 0 } }),
  ).rejects.toThrow(/-32602.*list_projects: `max_tokens`/)
  await expect(it.callTool({ name: 'list_projects', arguments: { x: 0 } })).rejects.toThrow(/"x"/)
  await expect(it.callTool({ name: 'nothing' })).rejects.toThrow(/-32602.*There is no tool/)
})

test('whoever calls may turn an error into a JSON-RPC error with data', async () => {
  const it = await client(() => problem(402, { code: 'payment_required', detail: 'Pay.' }), {
    failed: () => {
      throw Object.assign(new Error('Pay'), { code: -32042, data: { challenges: [1] } })
    },
  })
  await expect(
    it.callTool({ name: 'execute_code', arguments: { code: 'x' } }),
  ).rejects.toMatchObject({ code: -32042, data: { challenges: [1] } })
})

test('who cannot be found out is told as a failure of the tool', async () => {
  const server = createMcpServer({
    caller: async () => {
      throw new JackError('usage', 'The settings are not valid.', { hint: 'Mend them.' })
    },
    host: {},
  })
  const it = await connected(server)
  const result = await it.callTool({ name: 'whoami', arguments: {} })
  expect(result).toMatchObject({ isError: true, structuredContent: { code: 'usage' } })
})
