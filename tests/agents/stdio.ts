import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { type Command, fromSource, type Home, type Json } from '../harness.ts'

/** What a tool answered: its data, and whether it failed. */
export type Called = Json & { isError: boolean }

export interface Agent {
  client: Client
  /** Calls a tool. */
  call(name: string, args?: object): Promise<Called>
  /** What the server wrote to stderr. */
  said(): string
}

/** A client that starts `jack mcp` and talks to it over stdio, as an agent's does. */
export async function agent(
  { path, env }: Home,
  options: {
    env?: Record<string, string>
    args?: string[]
    cwd?: string
    client?: Client
    command?: Command
  } = {},
): Promise<Agent> {
  const [file, ...first] = options.command ?? fromSource
  const transport = new StdioClientTransport({
    command: file,
    args: [...first, 'mcp', ...(options.args ?? [])],
    cwd: options.cwd ?? path,
    env: { ...env, ...options.env } as Record<string, string>,
    stderr: 'pipe',
  })
  let said = ''
  transport.stderr?.on('data', (text) => {
    said += text
  })
  const client = options.client ?? new Client({ name: 'agent', version: '1' })
  await client.connect(transport)
  // From here on the client holds every answer against the schema of its tool.
  await client.listTools()
  return {
    client,
    said: () => said,
    async call(name, args = {}) {
      const result = await client.callTool({ name, arguments: { ...args } })
      const [content] = result.content as { type: string; text: string }[]
      const data = result.structuredContent as Json
      if (JSON.stringify(JSON.parse(content?.text ?? '')) !== JSON.stringify(data))
        throw new Error(`${name}: its text is not its data: ${content?.text}`)
      return { ...data, isError: result.isError === true }
    },
  }
}
