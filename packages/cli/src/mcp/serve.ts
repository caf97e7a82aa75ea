import { JackError } from '@jackcloud/sdk'
import { createMcpServer, type Folders, type Toolset } from '@jackcloud/sdk/mcp'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { failureOf } from '../failure.ts'
import type { Session } from '../session.ts'
import { version } from '../version.ts'

interface ServeOptions {
  /** Default: all. */
  toolsets?: readonly Toolset[]
  /** What costs more, in USD, is asked for first. */
  askAboveUsd: string
  /** Who calls and pays; opened by the first call, so that a server without anybody starts too. */
  open(onLeft: (usd: string | undefined) => void): Promise<Session>
}

/** Serves Jack's tools on stdin and stdout until stdin ends. */
export async function serve({ toolsets, askAboveUsd, open }: ServeOptions): Promise<void> {
  let leftUsd: string | undefined
  let opening: Promise<Session> | undefined
  const session = () => {
    opening ??= open((usd) => {
      leftUsd = usd
    })
    // What kept it from opening may be mended meanwhile.
    opening.catch(() => {
      opening = undefined
    })
    return opening
  }
  const server = createMcpServer({
    version: version(),
    toolsets,
    host: { folders: folders(session), askAboveUsd },
    async caller() {
      const { jack, wallet, settings } = await session()
      const known = wallet !== null || settings.token.value !== undefined
      // Somebody may sign in, or make a wallet, before the next call.
      if (!known) opening = undefined
      // Of a balance others may have spent, too, and what was free says nothing.
      if (!wallet) leftUsd = undefined
      return {
        jack,
        left: async () => leftUsd ?? (wallet ? undefined : (await jack.balance()).balance_usd),
        tell: (error) => told(known ? error : orSignIn(error)),
      }
    },
  })
  const transport = new StdioServerTransport()
  const closed = new Promise<void>((resolve) => {
    server.onclose = resolve
  })
  const close = () => void server.close()
  process.once('SIGINT', close)
  process.once('SIGTERM', close)
  await server.connect(transport)
  if (process.stdin.isTTY) {
    const note =
      'This speaks MCP with an agent. `jack mcp install` tells its client; Ctrl-C ends it.'
    process.stderr.write(`${note}\n`)
  }
  const answered = requestsOf(transport)
  process.stdin.once('end', () => void answered(longestGoodbyeMs).then(close))
  await closed
  process.stdin.pause()
}

/** Deploys folders; what that takes is loaded by the first. */
function folders(session: () => Promise<Session>): Folders {
  const load = async () => (await import('./folders.ts')).foldersOf(session)
  return {
    deploy: async (...it) => (await load()).deploy(...it),
    quote: async (...it) => (await load()).quote(...it),
  }
}

/** How long a client that has gone may still get the answers to what it asked. */
const longestGoodbyeMs = 10_000

/** Watches a connected transport: resolves when every request is answered, or after so many milliseconds. */
function requestsOf(transport: StdioServerTransport): (mostMs: number) => Promise<void> {
  const open = new Set<unknown>()
  let quiet = () => {}
  const { onmessage, send } = transport
  transport.onmessage = (message) => {
    if ('method' in message && 'id' in message) open.add(message.id)
    if ('method' in message && message.method === 'notifications/cancelled')
      open.delete(message.params?.requestId)
    onmessage?.(message)
  }
  transport.send = async (message) => {
    await send.call(transport, message)
    if ('method' in message || !('id' in message)) return
    open.delete(message.id)
    if (open.size === 0) quiet()
  }
  return async (mostMs) => {
    if (open.size === 0) return
    await new Promise<void>((resolve) => {
      quiet = resolve
      setTimeout(resolve, mostMs).unref()
    })
  }
}

function told(error: unknown): Record<string, unknown> {
  const { stack: _, ...failure } = failureOf(error)
  return failure
}

/** Nobody pays and nobody is known: how that is changed, in a terminal, by a person. */
function orSignIn(error: unknown): unknown {
  const wanted = ['unauthorized', 'payment_required', 'insufficient_balance']
  if (!(error instanceof JackError) || !wanted.includes(error.code)) return error
  return new JackError(
    error.code,
    'Jack has neither a token nor a wallet here to call and pay with.',
    {
      hint: 'Ask the user to do one of these in a terminal, once; then call again. No restart is needed.',
      next: [
        { command: 'jack login', when: 'to use an account' },
        { command: 'jack wallet create', when: 'to pay with a wallet, without an account' },
      ],
      requestId: error.requestId,
    },
  )
}
