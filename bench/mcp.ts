import { once } from 'node:events'
import { environment, whichJack } from './harness/cli.ts'
import { type Cloud, withCloud } from './harness/cloud.ts'
import { initialize, type McpProcess, startMcp } from './harness/mcp.ts'
import { inTurns, p50, p99, timed } from './harness/measure.ts'
import { newFolder, start } from './harness/processes.ts'
import { snippet, snippetInput } from './harness/programs.ts'
import type { Measured, Question } from './harness/Question.ts'

export default {
  name: 'mcp',
  asks: 'How long does an agent wait for the tools on stdio?',
  goals: {
    'mcp-ready': { unit: 'ms', atMost: 250 },
    'mcp-list': { unit: 'ms', atMost: 2 },
    'mcp-execute-added': { unit: 'ms', atMost: 3 },
  },
  run: () =>
    withCloud({}, async (cloud) => {
      const home = newFolder()
      const env = {
        ...environment(home),
        JACK_URL: cloud.url,
        JACK_TOKEN: cloud.token,
      }
      const mcp = startMcp(env)
      try {
        await initialize(mcp)
        const samples = await inTurns(
          {
            ready: () => ready(env),
            'node -e 0': () => timed(() => once(start(process.execPath, ['-e', '0']), 'exit')),
            list: () => timed(() => mcp.ask('tools/list')),
            execute: () => timed(() => execute(cloud)),
            tool: () => timed(() => callTool(mcp)),
          },
          {
            rounds: 12,
            perTurn: { ready: 2, 'node -e 0': 2, list: 10, execute: 10, tool: 10 },
            warmUp: 2,
          },
        )
        return rows(samples)
      } finally {
        await mcp.stop()
      }
    }),
} satisfies Question

/** Until `initialize` is answered. */
async function ready(env: Record<string, string | undefined>): Promise<number> {
  const began = performance.now()
  const mcp = startMcp(env)
  await initialize(mcp)
  const ms = performance.now() - began
  await mcp.stop()
  return ms
}

const request = () => ({ code: snippet(), input: snippetInput })

async function execute(cloud: Cloud): Promise<void> {
  const { status, answer } = await cloud.execute(request())
  if (status !== 200) throw new Error(`POST /execute: ${JSON.stringify(answer)}`)
}

async function callTool(mcp: McpProcess): Promise<void> {
  const result = await mcp.ask('tools/call', { name: 'execute_code', arguments: request() })
  if (result.isError) throw new Error(`execute_code: ${JSON.stringify(result)}`)
}

function rows(samples: Record<string, number[]>): Measured[] {
  const { ready = [], list = [], execute = [], tool = [], 'node -e 0': bare = [] } = samples
  return [
    {
      name: 'mcp-ready',
      value: p50(ready),
      beside: { 'node -e 0': p50(bare) },
      extra: { n: ready.length, p99: p99(ready), jack: whichJack },
      note: whichJack,
    },
    { name: 'mcp-list', value: p50(list), extra: { n: list.length, p99: p99(list) } },
    {
      name: 'mcp-execute-added',
      value: p50(tool) - p50(execute),
      beside: { 'POST /execute': p50(execute), execute_code: p50(tool) },
      note: 'the way through stdio, and the question what is left afterwards',
    },
  ]
}
