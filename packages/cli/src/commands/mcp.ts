import type { Command } from 'commander'
import { amount } from '../amount.ts'
import { openSession } from '../session.ts'

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
        open: (onReceipt) => openSession(command, { unattended: true, onReceipt }),
      })
    })
}
