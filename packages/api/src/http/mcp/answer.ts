import { createMcpServer, type McpServerOptions } from '@jackcloud/sdk/mcp'
import { limits } from '@jackcloud/sdk/wire'
import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'
import type { Context } from 'hono'
import { readText } from '../body.ts'
import type { Door } from '../Door.ts'
import type { RateLimits } from '../limit.ts'

/** A body that the API takes, and the message around it. */
const messageBytes = limits.requestBodyBytes + 16_384

export interface Answering {
  toolsets: McpServerOptions['toolsets']
  /** @param modern whether the message is of the revision 2026-07-28 */
  caller(modern: boolean): McpServerOptions['caller']
}

/**
 * Answers one message, or a batch, of MCP over Streamable HTTP, in the revision that it is of. Each has a server of its own that
 * is gone with the answer: nothing is kept between two. Whoever leaves before it is there has cancelled it.
 */
export async function answerMcp(
  c: Context<Door>,
  limits: RateLimits,
  { toolsets, caller }: Answering,
): Promise<Response> {
  const text = await readText(c, messageBytes)
  const message = parsed(text)
  if (Array.isArray(message)) await limits.messages(c.get('address'), message.length - 1)
  const request = plainRequest(c, text)
  const streams = takesStream(c)
  const modern = await modernOf(request, text)
  const server = createMcpServer({ toolsets, caller: caller(modern !== undefined), host: {} })
  const { signal } = c.req.raw
  const left = new Promise<Response>((resolve) => {
    signal.addEventListener('abort', () => resolve(nobodyWaits(server)), { once: true })
  })
  const answer = modern
    ? modern.answer(server, request, streams)
    : answerOlder(server, request, message, streams && text.includes('"progressToken"'))
  return Promise.race([answer, left])
}

/** What answers messages of the revision 2026-07-28, which say so; loaded when the first comes. */
async function modernOf(request: Request, text: string) {
  const version = request.headers.get('mcp-protocol-version') ?? ''
  const claims = version >= '2026' || text.includes('"io.modelcontextprotocol/protocolVersion"')
  if (!claims) return undefined
  const { isModern, answerModern } = await import('./modern.ts')
  return (await isModern(request)) ? { answer: answerModern } : undefined
}

async function answerOlder(
  server: Server,
  request: Request,
  parsedBody: unknown,
  streams: boolean,
): Promise<Response> {
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: !streams })
  await server.connect(transport)
  return transport.handleRequest(request, { parsedBody })
}

/** Undefined for what is no JSON: the transport says so. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether the client said that it reads events. Who said nothing gets JSON. */
const takesStream = (c: Context<Door>): boolean =>
  (c.req.header('accept') ?? '').toLowerCase().includes('text/event-stream')

/**
 * The request as transports insist on it: many clients leave `Accept` out, or send half of it. Of its other headers they see
 * what is theirs, and so no secret.
 */
function plainRequest(c: Context<Door>, body: string): Request {
  const own = Object.entries(c.req.header()).filter(([name]) => name.startsWith('mcp-'))
  return new Request(c.req.url, {
    method: 'POST',
    headers: {
      ...Object.fromEntries(own),
      accept: 'application/json, text/event-stream',
      'content-type': c.req.header('content-type') ?? 'application/json',
    },
    body,
    signal: c.req.raw.signal,
  })
}

/** Nobody reads it; the log does. */
async function nobodyWaits(server: Server): Promise<Response> {
  await server.close()
  return new Response(null, { status: 499 })
}
