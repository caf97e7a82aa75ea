import { JackError } from '@jackcloud/sdk'
import { Command, CommanderError, type OutputConfiguration } from 'commander'
import { exit, exitCodeOf } from './exit.ts'
import { type Failure, failureOf } from './failure.ts'
import { createPrint } from './print.ts'
import { version } from './version.ts'

/** Adds arguments, options and the action of a command. A module is loaded when its command is named. */
type Module = { default: (command: Command) => void }

/** Every command, in the order of help. */
const groups: Record<string, [name: string, summary: string, load: () => Promise<Module>][]> = {
  'Start:': [
    ['up', 'start a whole Jack Cloud on this machine', () => import('./commands/up.ts')],
    ['init', 'put a template into this folder', () => import('./commands/init.ts')],
    ['new', 'make a folder with a template in it', () => import('./commands/new.ts')],
    ['deploy', 'put a folder on a live URL', () => import('./commands/deploy.ts')],
    ['run', 'run a program once and print its result', () => import('./commands/run.ts')],
  ],
  'Look:': [
    ['ls', 'list projects', () => import('./commands/ls.ts')],
    ['info', 'show a project', () => import('./commands/info.ts')],
    ['open', "open a project's URL in the browser", () => import('./commands/open.ts')],
    ['verify', 'say whether a URL runs exactly this code', () => import('./commands/verify.ts')],
    ['logs', 'read or follow what a project prints', () => import('./commands/logs.ts')],
    [
      'usage',
      'what was used, what it costs, how long the balance lasts',
      () => import('./commands/usage.ts'),
    ],
  ],
  'Manage:': [
    ['deployments', 'list the versions of a project', () => import('./commands/deployments.ts')],
    ['promote', 'make a version live', () => import('./commands/promote.ts')],
    ['rollback', 'go back to the version before', () => import('./commands/rollback.ts')],
    ['files', 'stage a program in pieces', () => import('./commands/files.ts')],
    ['budget', 'the most that a project may spend', () => import('./commands/budget.ts')],
    ['resume', 'let a suspended project answer again', () => import('./commands/resume.ts')],
    ['env', 'environment variables and secrets', () => import('./commands/env.ts')],
    ['export', 'save a project with its data', () => import('./commands/export.ts')],
    ['renew', 'give a project more time', () => import('./commands/renew.ts')],
    ['db', 'databases: SQL, migrations, export', () => import('./commands/db.ts')],
    ['cron', 'what runs on a schedule', () => import('./commands/cron.ts')],
    ['rm', 'delete a project', () => import('./commands/rm.ts')],
  ],
  'Account:': [
    ['login', 'sign in to a Jack Cloud', () => import('./commands/login.ts')],
    ['logout', 'sign out, and end the token', () => import('./commands/logout.ts')],
    ['whoami', 'show who you are', () => import('./commands/whoami.ts')],
    ['token', 'tokens for machines and agents', () => import('./commands/token.ts')],
    ['trust', 'let runs of a CI deploy without a secret', () => import('./commands/trust.ts')],
    ['audit', 'who changed what with which token', () => import('./commands/audit.ts')],
    ['wallet', 'the key that pays without an account', () => import('./commands/wallet.ts')],
    ['claim', 'get what a wallet deployed into your account', () => import('./commands/claim.ts')],
    ['balance', 'what the account can spend', () => import('./commands/balance.ts')],
    ['sessions', 'payment sessions of a wallet', () => import('./commands/sessions.ts')],
    ['receipts', 'everything that moved money', () => import('./commands/receipts.ts')],
  ],
  'Agents:': [
    ['mcp', 'serve the tools of agents on stdio (MCP)', () => import('./commands/mcp.ts')],
    ['skill', 'teach agents to use Jack (SKILL.md)', () => import('./commands/skill.ts')],
  ],
  'Upkeep:': [
    ['backup', 'save a whole running cloud of this machine', () => import('./commands/backup.ts')],
    ['restore', 'put a backup into an empty folder', () => import('./commands/restore.ts')],
    [
      'reconcile',
      'compare the books of a cloud with the chain',
      () => import('./commands/reconcile.ts'),
    ],
    ['doctor', 'check that everything is in order', () => import('./commands/doctor.ts')],
    ['config', 'show each setting and where it comes from', () => import('./commands/config.ts')],
    ['completion', 'completion for your shell', () => import('./commands/completion.ts')],
  ],
}

const helpEnd = `
Examples:
  jack up                     start a Jack Cloud here
  jack new my-api && cd my-api && jack deploy
  jack run sum.ts --input '{"a":1}'

Exit codes: 0 ok, 1 other, 2 usage, 3 not authorized, 4 not found, 5 conflict,
6 network, 7 payment, 8 the program or its build failed, 9 timeout,
130 interrupted.
`

/** The whole tree of commands; the ones that `wanted` names with everything in them. */
export async function createProgram(
  wanted: (name: string) => boolean,
  output: OutputConfiguration,
): Promise<Command> {
  const program = new Command('jack')
    .description('Run code and put it on a live URL.')
    .usage('<command> [options]')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .option('--json', 'print one JSON object, also on failure')
    .option('-y, --yes', 'agree to everything that would be asked')
    .option('--url <url>', 'the Jack Cloud to talk to (JACK_URL)')
    .option('--token <token>', 'sign in with this token (better: JACK_TOKEN)')
    .option('--wallet', 'be known by the wallet and pay with it, though there is a token')
    .option('--max-spend <usd>', 'the most that this command may cost')
    .option('--no-color', 'plain text (NO_COLOR)')
    .option('--verbose', 'say more')
    .addHelpText('after', helpEnd)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {}, ...output })
    .exitOverride()
  for (const [heading, commands] of Object.entries(groups)) {
    program.commandsGroup(heading)
    for (const [name, summary, load] of commands) {
      const command = program.command(name).description(summary)
      if (!wanted(name)) continue
      ;(await load()).default(command)
      // As an argument or, as commands with another argument have it, as an option.
      if (command.registeredArguments.some((it) => it.name() === 'project'))
        command.option('-p, --project <project>', 'the same, as an option')
    }
  }
  program.helpCommand('help [command]', 'show help for a command')
  return program
}

export async function main(argv: string[]): Promise<void> {
  const end = argv.indexOf('--')
  const flags = end < 0 ? argv : argv.slice(0, end)
  if (flags.includes('--no-color')) {
    process.env.NO_COLOR = '1'
    delete process.env.FORCE_COLOR
  }
  // The reader may have seen enough: `jack logs | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exit.ok : exit.other)
  })
  const json = flags.includes('--json')
  // Help and version, as one object under `--json`.
  let text = ''
  const keep = (part: string) => {
    text += part
  }
  const output = json ? { writeOut: keep, writeErr: () => {} } : {}
  try {
    const program = await createProgram(wantedBy(flags), output)
    if (argv.length === 0) program.outputHelp()
    else await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) {
      const name = error.code === 'commander.version' ? 'version' : 'help'
      if (json) process.stdout.write(`${JSON.stringify({ [name]: text.trim() })}\n`)
      return
    }
    const failure = said(error, argv)
    createPrint({ json, verbose: flags.includes('--verbose') }).failure(failure)
    process.exitCode = exitCodeOf(failure.code)
  }
}

/** Completion is made from everything; any other command only from itself. */
const wantedBy = (flags: string[]) => (name: string) =>
  flags.includes(name) || flags.includes('completion')

/** Words for what commander found wrong with the arguments; anything else speaks for itself. */
function said(error: unknown, argv: string[]): Failure {
  if (!(error instanceof CommanderError)) return failureOf(error)
  const named = argv.find((word) => !word.startsWith('-'))
  const known = Object.values(groups)
    .flat()
    .some(([name]) => name === named)
  const help = known ? `jack ${named} --help` : 'jack --help'
  const missing = error.code === 'commander.help'
  const unknown = named === 'help' && argv[argv.indexOf('help') + 1]
  // A private key that was typed by mistake is not repeated.
  const message = error.message.replace(/(0x)?[0-9a-f]{64}/gi, '0x***')
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n')
  const sentence = missing
    ? unknown
      ? `Unknown command '${unknown}'.`
      : known
        ? `jack ${named} needs a command.`
        : 'Which command?'
    : `${first[0]?.toUpperCase()}${first.slice(1)}.`
  return failureOf(
    new JackError('usage', sentence.replace(/\.\.$/, '.'), {
      hint:
        rest
          .join(' ')
          .trim()
          .replace(/^\(|\)$/g, '') || undefined,
      next: [{ command: help, when: 'to see what there is' }],
    }),
  )
}
