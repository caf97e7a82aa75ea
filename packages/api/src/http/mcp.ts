import { createJack } from '@jackcloud/sdk'
import { type Caller, type ToolRequest, type Toolset, toolsets } from '@jackcloud/sdk/mcp'
import { toUsd } from '@jackcloud/sdk/wire'
import type { Context, Hono } from 'hono'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { type Payer, requireScope } from '../Payer.ts'
import { resourceUrl } from '../Resource.ts'
import { balanceOf } from '../store/ledger.ts'
import { requirePayer } from './authenticate.ts'
import type { Door } from './Door.ts'
import type { RateLimits } from './limit.ts'
import { answerMcp } from './mcp/answer.ts'
import { requireNoSecret, requireOwnOrigin } from './mcp/gate.ts'
import { type Inside, insideOf } from './mcp/inside.ts'
import { type Refusal, walletCaller } from './mcp/wallet.ts'

/**
 * The tools of Jack for agents elsewhere (MCP, Streamable HTTP, without sessions). `/mcp` is for who has a token; at
 * `/mcp/public` a wallet pays each call, and nobody needs an account.
 */
export function mcpDoor(app: Hono<Door>, jack: Jack, limits: RateLimits): void {
  const path = resourceUrl('', 'mcp')
  const door = async (c: Context<Door>, payer: Payer | null): Promise<Response> => {
    requireOwnOrigin(c, jack)
    requireNoSecret(c)
    if (c.req.method !== 'POST') return notAllowed(c)
    const inside = insideOf(app, c)
    const refusal = refusalOf(c)
    return answerMcp(c, limits, {
      toolsets: toolsetsOf(c),
      caller: (modern) =>
        payer
          ? tokenCaller(jack, inside, payer)
          : // The newer revision has another error under that number.
            (request) => walletCaller(jack, inside, request, modern ? 'result' : refusal),
    })
  }
  app.all(path, (c) => {
    requireNoSecret(c)
    return door(c, requirePayer(c.get('payer')))
  })
  app.all(`${path}/public`, (c) => door(c, c.get('payer')))
}

/** Who calls with a token: as at any other door, it says what he may do and what it costs him. */
function tokenCaller(jack: Jack, inside: Inside, payer: Payer): (request: ToolRequest) => Caller {
  const client = createJack({ url: jack.urls.api, retries: 0, fetch: inside({ payer }) })
  return () => ({
    jack: client,
    async left() {
      requireScope(payer, 'read')
      return toUsd((await balanceOf(jack.db, payer.accountId)).availableMicroUsd)
    },
  })
}

/** There is nothing to listen to, and nothing to end (MCP 2025-11-25, Streamable HTTP). */
const notAllowed = (c: Context<Door>): Response =>
  c.json(
    {
      jsonrpc: '2.0',
      error: { code: -32_000, message: `Messages are sent with POST, not ${c.req.method}.` },
      id: null,
    },
    405,
    { allow: 'POST' },
  )

/** Of `?toolsets=compute,projects`; all, when it is not said. */
function toolsetsOf(c: Context<Door>): readonly Toolset[] {
  const asked = c.req.query('toolsets')
  if (asked === undefined) return toolsets
  const names = asked.split(',')
  const unknown = names.find((it) => !toolsets.some((known) => known === it))
  if (unknown === undefined) return names as Toolset[]
  throw new JackError('invalid_request', `There is no toolset "${unknown.slice(0, 60)}".`, {
    hint: `There are: ${toolsets.join(', ')}.`,
  })
}

/** Of `?challenges=result`. */
function refusalOf(c: Context<Door>): Refusal {
  const asked = c.req.query('challenges') ?? 'error'
  if (asked === 'error' || asked === 'result') return asked
  throw new JackError('invalid_request', 'Challenges come as "error" or as "result".', {
    hint: 'Leave `challenges` out: an error with the code -32042 is what clients that pay know.',
  })
}
