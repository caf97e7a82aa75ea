import { JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { paint } from '../print.ts'
import { findServer } from '../server/find.ts'
import { running } from '../server/running.ts'
import { type Ready, startServer } from '../server/start.ts'
import { openSession, type Session } from '../session.ts'
import { changeUserConfig, readUserConfig, type UserConfig } from '../userConfig.ts'

export default (command: Command) =>
  command
    .option(
      '-p, --port <port>',
      'where to listen; 0 picks a free port (JACK_PORT; default 8787)',
      port,
    )
    .option('--host <address>', 'on which address (default 127.0.0.1: this machine only)')
    .option('--data <dir>', 'where everything is kept (JACK_DATA)')
    .action(async (options: { port?: number; host?: string; data?: string }) => {
      const session = await openSession(command, {
        unpaid: true,
        data: options.data,
        patient: true,
      })
      const { print, settings } = session
      const data = settings.data.value
      const known = await running(data)
      if (known) return alreadyRunning(session, known, options.port)

      const main = await findServer(session)
      print.note(paint('dim', `Starting a Jack Cloud; its data is in ${data}`))
      const server = startServer({
        main,
        data,
        port: options.port ?? port(process.env.JACK_PORT ?? '8787'),
        host: options.host ?? process.env.JACK_HOST ?? '127.0.0.1',
        verbose: print.verbose,
      })
      process.on('SIGINT', () => server.stop('SIGINT'))
      process.on('SIGTERM', () => server.stop('SIGTERM'))
      process.on('SIGHUP', () => server.stop('SIGTERM'))

      const ready = await print.while('Starting', server.ready)
      const before = readUserConfig(session.configFile)
      signIn(session.configFile, ready)
      say(session, ready, before.url)
      const left = await server.ended
      giveBack(session.configFile, ready, before)
      if (left !== null) throw left
      print.note('Stopped.')
    })

/** From now on every command talks to this cloud. Its other addresses, of earlier starts, are forgotten. */
function signIn(configFile: string, { url, token }: Ready): void {
  changeUserConfig(configFile, (config) => {
    config.url = url
    const others = Object.entries(config.tokens).filter(([, it]) => it !== token)
    config.tokens = { ...Object.fromEntries(others), [url]: token }
  })
}

/** Whoever tried a second cloud talks to the first one again when it ends. */
function giveBack(configFile: string, { url }: Ready, before: UserConfig): void {
  const { url: first } = before
  if (first === undefined || first === url || readUserConfig(configFile).url !== url) return
  changeUserConfig(configFile, (config) => {
    config.url = first
    const token = before.tokens[first]
    if (token !== undefined) config.tokens[first] = token
  })
}

function say({ print }: Session, ready: Ready, before: string | undefined): void {
  print.answer(ready, () => {
    print.out('')
    print.out(`  ${paint(['green', 'bold'], 'Jack is up', process.stdout)}`)
    print.out('')
    print.out(`  API       ${paint('bold', ready.url, process.stdout)}`)
    print.out(
      `  Projects  ${ready.url.startsWith('https') ? 'https' : 'http'}://<you>-<project>.${ready.domain}`,
    )
    print.out(`  Sandbox   ${sandboxText(ready.sandbox)}`)
    print.out(`  Data      ${ready.data}`)
    if (ready.chain) print.out(`  Chain     ${ready.chain.rpc_url} (Tempo, id ${ready.chain.id})`)
    if (ready.wallet) print.out(`  Wallet    ${ready.wallet.address}, with play money`)
    print.out('')
    print.out(`  You are signed in. In another terminal:`)
    print.out(`    ${paint('bold', 'jack new my-app && cd my-app && jack deploy', process.stdout)}`)
    print.out('')
    print.out(`  ${paint('dim', 'Ctrl-C stops it; projects and data stay.', process.stdout)}`)
  })
  if (before !== undefined && before !== ready.url) {
    print.note(paint('dim', `jack talked to ${before} before, and does again when this one stops.`))
  }
}

const sandboxText = (sandbox: unknown): string =>
  typeof sandbox === 'string'
    ? sandbox
    : String((sandbox as { level?: string } | null)?.level ?? 'unknown')

/** The cloud of this data folder runs: that is what was asked for, unless it was asked for on another port. */
function alreadyRunning(
  { print, configFile }: Session,
  known: Ready,
  asked: number | undefined,
): void {
  if (asked !== undefined && asked !== 0 && String(asked) !== new URL(known.url).port) {
    throw new JackError('conflict', `A Jack Cloud with this data runs already, at ${known.url}.`, {
      hint: 'Stop it first, or give the other one its own --data.',
    })
  }
  signIn(configFile, known)
  print.answer(known, () =>
    print.out(`Jack is up already, at ${known.url} (process ${known.pid}).`),
  )
}

function port(text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number <= 65_535) return number
  throw new JackError('usage', `"${text}" is not a port.`, {
    hint: 'From 1 to 65535, or 0 for any free one.',
  })
}
