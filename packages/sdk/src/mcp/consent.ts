import type { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { JackError } from '../JackError.ts'

/**
 * Asks the user, by elicitation. Throws a JackError `spending_limit` when the client cannot ask, or when the user does
 * not agree.
 */
export async function agreed(server: Server, message: string, signal: AbortSignal): Promise<void> {
  if (!server.getClientCapabilities()?.elicitation?.form) {
    throw new JackError('spending_limit', `${message} Nobody could be asked: this client cannot.`, {
      hint: 'Nothing was paid. The user can do it with the command, or let more be paid without asking.',
      next: [{ command: 'jack mcp --ask-above <usd>', when: 'to let more be paid without asking' }],
    })
  }
  const { action } = await server
    .elicitInput(
      { mode: 'form', message, requestedSchema: { type: 'object', properties: {} } },
      { signal, timeout: longestThoughtMs },
    )
    // Who does not answer has not agreed.
    .catch(() => ({ action: 'cancel' }))
  if (action === 'accept') return
  throw new JackError('spending_limit', 'The user did not agree to pay this.', {
    hint: 'Nothing was paid. Ask the user how to go on.',
  })
}

/** Somebody may be away for a while. */
const longestThoughtMs = 600_000
