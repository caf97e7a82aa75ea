import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import {
  CallToolRequestSchema,
  type CallToolResult,
  ErrorCode,
  ListToolsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js'
import type { z } from 'zod'
import { failed, succeeded } from './results.ts'
import type { Caller, Host, Tool, ToolCall, Toolset } from './Tool.ts'
import { toolsets as allToolsets } from './Tool.ts'
import { listed, tools } from './tools.ts'

export interface McpServerOptions {
  /** Who makes a call, told by the `_meta` of its request. */
  caller(meta: Record<string, unknown> | undefined): Caller
  host: Host
  /** Which tools are offered. Default: all. */
  toolsets?: readonly Toolset[] | undefined
}

/**
 * An MCP server (protocol up to 2025-11-25) of Jack's tools, to be connected to a transport. It keeps nothing between
 * requests. A request that is wrong is a JSON-RPC error; a tool that failed is a result with `isError`.
 */
export function createMcpServer({
  caller,
  host,
  toolsets = allToolsets,
}: McpServerOptions): Server {
  const server = new Server(
    { name: 'jack', title: 'Jack', version: '1' },
    { capabilities: { tools: {} } },
  )
  const list = { tools: listed(toolsets) }
  server.setRequestHandler(ListToolsRequestSchema, () => list)
  server.setRequestHandler(
    CallToolRequestSchema,
    async ({ params }, { signal, sendNotification }) => {
      const tool = tools.get(params.name)
      if (!tool || !toolsets.includes(tool.toolset)) throw unknownTool(params.name, list)
      const input = argumentsOf(tool, params.arguments ?? {})
      const token = params._meta?.progressToken
      let progress = 0
      return call(tool, caller(params._meta), {
        input,
        host,
        signal,
        progress: (message) => {
          if (token === undefined) return
          const told = { progressToken: token, progress: ++progress, message }
          sendNotification({ method: 'notifications/progress', params: told }).catch(() => {})
        },
      })
    },
  )
  return server
}

async function call(
  tool: Tool,
  caller: Caller,
  given: Omit<ToolCall<unknown>, 'jack'>,
): Promise<CallToolResult> {
  try {
    const answer = succeeded(await tool.run({ ...given, jack: caller.jack }))
    return caller.finish?.(answer) ?? answer
  } catch (error) {
    return caller.failed?.(error) ?? failed(error)
  }
}

function argumentsOf(tool: Tool, given: object): unknown {
  const parsed = tool.input.safeParse(given)
  if (parsed.success) return parsed.data
  throw invalid(`${tool.name}: ${parsed.error.issues.map(sentence).join(' ')}`)
}

const sentence = ({ path, message }: z.core.$ZodIssue): string =>
  `${path.length > 0 ? `\`${path.join('.')}\`: ` : ''}${message}.`

function unknownTool(name: string, { tools }: { tools: { name: string }[] }): Error {
  const known = tools.map((it) => it.name).join(', ')
  return invalid(`There is no tool "${name.slice(0, 100)}". There are: ${known}.`)
}

const invalid = (message: string): Error =>
  Object.assign(new Error(message), { code: ErrorCode.InvalidParams })
