import type { Command } from 'commander'
import { amount } from '../amount.ts'

export default function mcp(command: Command): void {
  command
    .option('--toolsets <names>', 'only these: compute, projects, account (separated by commas)')
    .option('--ask-above <usd>', 'ask the user before a call that costs more', amount, '1')
    .addHelpText('after', '\nAn agent starts it: `jack mcp install` tells its client how.')
    .action(async ({ toolsets, askAbove }: { toolsets?: string; askAbove: string }) => {
      const { serve, toolsetsOf } = await import('../mcp/serve.ts')
      await serve({
        ...(toolsets !== undefined && { toolsets: toolsetsOf(toolsets) }),
        askAboveUsd: askAbove,
        // An agent waits for the server, which says what it can do before it asks who calls.
        open: async (onReceipt) => {
          const { openSession } = await import('../session.ts')
          return openSession(command, { unattended: true, onReceipt })
        },
      })
    })
}
