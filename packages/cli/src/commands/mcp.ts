import { type Command, Option } from 'commander'
import { amount } from '../amount.ts'

interface ServeOptions {
  toolsets?: string
  askAbove?: string
}

export default function mcp(command: Command): void {
  serving(command)
    .addHelpText('after', '\nAn agent starts it: `jack mcp install` tells its client how.')
    .action(async ({ toolsets, askAbove }: ServeOptions) => {
      const { serve } = await import('../mcp/serve.ts')
      const { toolsetsOf } = await import('../mcp/toolsets.ts')
      await serve({
        ...(toolsets !== undefined && { toolsets: toolsetsOf(toolsets) }),
        askAboveUsd: askAbove ?? '1',
        // An agent waits for the server, which says what it can do before it asks who calls.
        open: async (onLeft) => {
          const { openSession } = await import('../session.ts')
          return openSession(command, { unattended: true, onLeft })
        },
      })
    })

  const install = command
    .command('install')
    .description('tell a client of it; without one, show what to tell it')
    .argument(...client)
    .addOption(dryRun())
  install.action(async (id: string | undefined) => {
    const { install: add } = await import('../mcp/install.ts')
    const { url, toolsets, askAbove, ...rest } = install.optsWithGlobals()
    if (toolsets !== undefined) (await import('../mcp/toolsets.ts')).toolsetsOf(toolsets)
    const options = [
      ...(url === undefined ? [] : ['--url', url]),
      ...(toolsets === undefined ? [] : ['--toolsets', toolsets]),
      ...(askAbove === undefined ? [] : ['--ask-above', askAbove]),
    ]
    add(id, { options, dryRun: rest.dryRun === true, json: rest.json === true })
  })

  const uninstall = command
    .command('uninstall')
    .description('take it out of a client again')
    .argument('<client>', client[1])
    .addOption(dryRun())
  uninstall.action(async (id: string) => {
    const { uninstall: remove } = await import('../mcp/install.ts')
    const { dryRun, json } = uninstall.optsWithGlobals()
    remove(id, { dryRun: dryRun === true, json: json === true })
  })
}

const client = [
  '[client]',
  'claude-code, claude-desktop, cursor, vscode, windsurf or codex',
] as const

const dryRun = () => new Option('--dry-run', 'show what would change')

const serving = (command: Command): Command =>
  command
    .option('--toolsets <names>', 'only these: compute, projects, account (separated by commas)')
    .option('--ask-above <usd>', 'ask the user before a call that costs more (default: 1)', amount)
