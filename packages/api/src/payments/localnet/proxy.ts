import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { RpcError } from './anvil.ts'

/** Answers one request, or throws an `RpcError`. */
export type Answer = (method: string, params: unknown[]) => Promise<unknown>

/** JSON-RPC over HTTP, for strangers: reads, simulations and signed transactions, and nothing that changes the rules. */
export function createProxy(answer: Answer): Server {
  return createServer((request, response) => {
    void handle(request, response, answer).catch(() => response.destroy())
  })
}

const MAX_BODY_BYTES = 1024 * 1024
const MAX_BATCH = 100

async function handle(request: IncomingMessage, response: ServerResponse, answer: Answer) {
  const refused = refusal(request)
  if (refused) return reply(response, ...refused)
  const text = await body(request)
  if (text === undefined) {
    response.setHeader('connection', 'close')
    return reply(response, 413, failure(null, -32600, 'The request is larger than 1 MB.'))
  }
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    return reply(response, 400, failure(null, -32700, 'The request is not JSON.'))
  }
  if (!Array.isArray(message)) return reply(response, 200, await one(message, answer))
  if (message.length === 0 || message.length > MAX_BATCH)
    return reply(response, 400, failure(null, -32600, `A batch has 1 to ${MAX_BATCH} requests.`))
  const answers = await Promise.all(message.map((it) => one(it, answer)))
  const wanted = answers.filter((it) => it !== undefined)
  return reply(response, 200, wanted.length > 0 ? wanted : undefined)
}

/** A page in a browser can neither send this type without asking first, nor name this host. */
function refusal({ method, headers }: IncomingMessage): [number, object] | undefined {
  if (method !== 'POST') return [405, failure(null, -32600, 'Send JSON-RPC by POST.')]
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? ''))
    return [403, failure(null, -32600, 'The local chain is reached as 127.0.0.1.')]
  if (!/^application\/json\b/.test(headers['content-type'] ?? ''))
    return [415, failure(null, -32600, 'The content type has to be application/json.')]
  return undefined
}

/** Undefined when it is too large. */
async function body(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_BODY_BYTES) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Undefined for a notification, which wants no answer. */
async function one(message: unknown, answer: Answer): Promise<object | undefined> {
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    return failure(null, -32600, 'A request is an object.')
  const { id = null, method, params = [] } = message as Record<string, unknown>
  if (typeof method !== 'string' || !Array.isArray(params))
    return failure(id, -32600, 'A request has a method and a list of params.')
  const result = await settle(id, () => {
    if (isAllowed(method)) return answer(method, params)
    throw new RpcError({ code: -32601, message: `The local chain does not offer ${method}.` })
  })
  return 'id' in message ? result : undefined
}

async function settle(id: unknown, work: () => Promise<unknown>): Promise<object> {
  try {
    return { jsonrpc: '2.0', id, result: await work() }
  } catch (error) {
    if (error instanceof RpcError) return failure(id, error.code, error.message, error.data)
    return failure(id, -32603, `The local chain does not answer: ${(error as Error).message}`)
  }
}

const failure = (id: unknown, code: number, message: string, data?: unknown) => ({
  jsonrpc: '2.0',
  id,
  error: { code, message, ...(data !== undefined && { data }) },
})

/** The node's own keys and whatever bypasses signatures are ours alone, as is all that bends time and balances. */
const isAllowed = (method: string): boolean =>
  ALLOWED.test(method) && !SIGNS_FOR_OTHERS.test(method)

const ALLOWED = /^(eth_|net_|web3_|txpool_(content|inspect|status)$|tempo_fundAddress$)/
const SIGNS_FOR_OTHERS = /^eth_(sendTransaction|sendUnsignedTransaction|sign)/

function reply(response: ServerResponse, status: number, content: object | undefined): void {
  if (content === undefined) response.writeHead(204).end()
  else
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(content))
}
