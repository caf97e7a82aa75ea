import { createMcpServer, type McpServerOptions } from '@jackcloud/sdk/mcp'
import { limits } from '@jackcloud/sdk/wire'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { Context } from 'hono'
import { readText } from '../body.ts'
import type { Door } from '../Door.ts'

/** A body that the API takes, and the message around it. */
const messageBytes = limits.requestBodyBytes + 16_384

/**
 * Answers one message, or a batch, of MCP over Streamable HTTP. Each has a server of its own that is gone with the answer: nothing
 * is kept between two. Whoever leaves before it is there has cancelled it.
 */
export async function answerMcp(
  c: Context<Door>,
  options: Pick<McpServerOptions, 'caller' | 'toolsets'>,
): Promise<Response> {
  const text = await readText(c, messageBytes)
  const server = createMcpServer({ ...options, host: {} })
  const transport = new WebStandardStreamableHTTPServerTransport({
    enableJsonResponse: !(takesStream(c) && text.includes('"progressToken"')),
  })
  await server.connect(transport)
  const { signal } = c.req.raw
  const left = new Promise<Response>((resolve) => {
    signal.addEventListener('abort', () => resolve(nobodyWaits(server)), { once: true })
  })
  return Promise.race([transport.handleRequest(plainRequest(c, text)), left])
}

/** Whether the client said that it reads events. Who said nothing gets JSON. */
const takesStream = (c: Context<Door>): boolean =>
  (c.req.header('accept') ?? '').toLowerCase().includes('text/event-stream')

/**
 * The request as the transport insists on it: many clients leave `Accept` out, or send half of it. It sees no other header, and
 * so no secret.
 */
function plainRequest(c: Context<Door>, body: string): Request {
  const version = c.req.header('mcp-protocol-version')
  return new Request(c.req.url, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': c.req.header('content-type') ?? 'application/json',
      ...(version !== undefined && { 'mcp-protocol-version': version }),
    },
    body,
  })
}

/** Nobody reads it; the log does. */
async function nobodyWaits(server: { close(): Promise<void> }): Promise<Response> {
  await server.close()
  return new Response(null, { status: 499 })
}
