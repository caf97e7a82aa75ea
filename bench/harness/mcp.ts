import { createInterface } from 'node:readline'
import { jack } from './cli.ts'
import { end, start } from './processes.ts'

/** `jack mcp`, spoken to line by line: clients take time of their own, to check what they are answered. */
export interface McpProcess {
  /** A request's result; rejects with what kept it from one. */
  // biome-ignore lint/suspicious/noExplicitAny: what is read of it is known
  ask(method: string, params?: object): Promise<any>
  stop(): Promise<void>
}

/** Starts it, and does not wait for anything. */
export function startMcp(env: Record<string, string | undefined>): McpProcess {
  const child = start(process.execPath, [...jack, 'mcp'], {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const waiting = new Map<number, (answer: { result?: unknown; error?: object }) => void>()
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    const answer = JSON.parse(line)
    waiting.get(answer.id)?.(answer)
  })
  let id = 0
  return {
    ask: (method, params = {}) =>
      new Promise((resolve, reject) => {
        waiting.set(++id, ({ result, error }) =>
          error ? reject(new Error(JSON.stringify(error))) : resolve(result),
        )
        child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
      }),
    stop: () => end(child),
  }
}

export const initialize = (mcp: McpProcess) =>
  mcp.ask('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  })
