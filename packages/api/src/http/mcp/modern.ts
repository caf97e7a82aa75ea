import type { Server as TableServer } from '@modelcontextprotocol/sdk/server/index.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import {
  createMcpHandler,
  isJsonContentType,
  isLegacyRequest,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server'

/** Whether a message is of the revision 2026-07-28 or a later one: each of those says so itself. */
export const isModern = async (request: Request): Promise<boolean> =>
  isJsonContentType(request.headers.get('content-type')) && !(await isLegacyRequest(request))

/**
 * Answers a message of the revision 2026-07-28. Its library minds the words of that revision; what the words say comes of the
 * same server that answers older clients.
 */
export function answerModern(
  server: TableServer,
  request: Request,
  streams: boolean,
): Promise<Response> {
  const handler = createMcpHandler(() => speaking(server), {
    legacy: 'reject',
    responseMode: streams ? 'auto' : 'json',
    // Nothing is kept that could change while somebody listens.
    maxSubscriptions: 0,
  })
  return handler.fetch(request)
}

const methods = [
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
] as const

/** A server of the newer revision that asks one of the older. */
function speaking(older: TableServer): Server {
  const server = new Server(
    { name: 'jack', title: 'Jack', version: '1' },
    { capabilities: { tools: {}, resources: {}, prompts: {} } },
  )
  for (const method of methods)
    server.setRequestHandler(method, (request, { mcpReq }) => ask(older, request, mcpReq))
  return server
}

/** Asks a server one thing, without a wire. What it tells on the way is passed on. */
async function ask(
  server: TableServer,
  { method, params }: { method: string; params?: object | undefined },
  { signal, notify }: ServerContext['mcpReq'],
  // biome-ignore lint/suspicious/noExplicitAny: the library checks results against the method
): Promise<any> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const transport: Transport = {
    start: async () => {},
    close: async () => {},
    async send(message: JSONRPCMessage) {
      if ('result' in message) resolve(message.result)
      else if ('error' in message)
        reject(Object.assign(new Error(message.error.message), message.error))
      else if (!('id' in message)) await notify(message as never)
    },
  }
  await server.connect(transport)
  signal.addEventListener('abort', () => void server.close(), { once: true })
  transport.onmessage?.({ jsonrpc: '2.0', id: 1, method, params } as JSONRPCMessage)
  return promise
}
