import { existsSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createJack, JackError } from '@jackcloud/sdk'
import type { Command } from 'commander'
import { exit } from '../exit.ts'
import { bytes, paint, plain, took } from '../print.ts'
import { type Check, paymentChecks } from '../server/payments.ts'
import { openSession, type Session } from '../session.ts'

export default (command: Command) =>
  command
    .option('--payments', 'for operators: keys, gas money, chain and clock of a cloud that is paid')
    .option('--data <dir>', 'where the cloud keeps everything (JACK_DATA)')
    .addHelpText(
      'after',
      '\nWith --payments it asks the cloud that runs on the folder; when none does, it reads the same environment as\n' +
        'the server would. Ends with 1 when something has to be done.',
    )
    .action(async (options: { payments?: boolean; data?: string }) => {
      const session = await openSession(command, { unpaid: true, data: options.data })
      const { print } = session
      const all = options.payments
        ? [paymentChecks(session)]
        : [node(), cloud(session), token(session), configFile(session), git(), disk(session)]
      const checks = (await print.while('Looking around', Promise.all(all))).flat()
      const ok = checks.every((it) => it.status !== 'fail')
      print.answer({ ok, checks }, () => {
        for (const it of checks) print.out(lineOf(it))
      })
      if (!ok) process.exitCode = exit.other
    })

const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const

function lineOf({ name, status, detail, fix }: Check): string {
  const line = `${paint(colours[status], status.padEnd(4), process.stdout)}  ${name.padEnd(9)}  ${plain(detail)}`
  return fix ? `${line}\n                 ${paint('cyan', 'fix', process.stdout)} ${fix}` : line
}

/** An older Node is refused before this runs. */
const node = (): Check => ({ name: 'node', status: 'ok', detail: `v${process.versions.node}` })

async function cloud({ settings, signal }: Session): Promise<Check[]> {
  const url = settings.url.value
  const began = performance.now()
  let response: Response
  try {
    response = await fetch(`${url}/readyz`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]),
    })
  } catch {
    return [
      {
        name: 'cloud',
        status: 'fail',
        detail: `${url} (${settings.url.origin}) does not answer`,
        fix: 'jack up, or name another cloud with --url',
      },
    ]
  }
  const time = took(performance.now() - began)
  const said = (await response.json().catch(() => null)) as Record<string, unknown> | null
  if (said === null || typeof said.status !== 'string') {
    return [
      {
        name: 'cloud',
        status: 'fail',
        detail: `What answers at ${url} is not a Jack Cloud`,
        fix: 'check --url, JACK_URL and jack config',
      },
    ]
  }
  const broken = Object.entries((said.checks ?? {}) as Record<string, unknown>).filter(
    ([, it]) => !isGood(it),
  )
  const checks: Check[] = [
    response.ok
      ? { name: 'cloud', status: 'ok', detail: `${url} answers in ${time}` }
      : {
          name: 'cloud',
          status: 'fail',
          detail: `${url} is not ready${broken.length > 0 ? `: ${broken.map(([name]) => name).join(', ')}` : ''}`,
          fix: "look into the server's log",
        },
  ]
  if (said.sandbox !== undefined) checks.push(sandbox(said.sandbox as Sandbox))
  if (new URL(url).protocol === 'http:' && !isLocal(url)) {
    checks.push({
      name: 'url',
      status: 'warn',
      detail: 'the token goes there in plain text',
      fix: 'use https',
    })
  }
  return [...checks, clock(response)]
}

const isLocal = (url: string): boolean =>
  /^(localhost|127\.|\[::1\]|.*\.localhost$)/.test(new URL(url).hostname)

const isGood = (it: unknown): boolean =>
  it === true ||
  it === 'ok' ||
  (typeof it === 'object' && it !== null && 'ok' in it && it.ok === true)

interface Sandbox {
  level: string
  /** A cloud on this machine tells which walls stand. */
  walls?: { name: string; active: boolean; why?: string }[]
}

function sandbox({ level, walls = [] }: Sandbox): Check {
  const name = 'sandbox'
  if (level === 'full') return { name, status: 'ok', detail: level }
  const missing = walls
    .filter((wall) => !wall.active)
    .map((wall) => (wall.why ? `${wall.name} (${wall.why})` : wall.name))
  return {
    name,
    status: 'warn',
    detail: missing.length > 0 ? `${level}; without ${missing.join(', ')}` : level,
    fix: 'install bubblewrap (apt install bubblewrap) and start again; run only programs that you trust until then',
  }
}

/** Signatures and expiries need clocks that agree. */
function clock(response: Response): Check {
  const there = Date.parse(response.headers.get('date') ?? '')
  const seconds = Math.round(Math.abs(Date.now() - there) / 1_000)
  if (Number.isNaN(there))
    return { name: 'clock', status: 'warn', detail: 'the cloud does not tell its time' }
  return seconds <= 60
    ? { name: 'clock', status: 'ok', detail: 'agrees with the cloud' }
    : {
        name: 'clock',
        status: 'warn',
        detail: `${seconds} s apart from the cloud`,
        fix: 'set the time of this machine',
      }
}

async function token({ settings, signal, refuseStrangeUrl }: Session): Promise<Check> {
  const name = 'token'
  if (settings.token.value === undefined) {
    return {
      name,
      status: 'fail',
      detail: `none for ${settings.url.value}`,
      fix: 'jack login, or jack up for a cloud of your own',
    }
  }
  try {
    refuseStrangeUrl()
    const jack = createJack({
      url: settings.url.value,
      token: settings.token.value,
      retries: 0,
      timeoutMs: 5_000,
    })
    const me = await jack.me({ signal })
    const may = me.token ? `, may ${me.token.scopes.join(', ')}` : ''
    const only = me.token?.project ? `, only ${me.token.project}` : ''
    return { name, status: 'ok', detail: `${me.slug}${may}${only} (${settings.token.origin})` }
  } catch (error) {
    if (!(error instanceof JackError)) throw error
    if (error.code === 'network' || error.code === 'timeout') {
      return {
        name,
        status: 'warn',
        detail: 'could not be checked while the cloud does not answer',
      }
    }
    return {
      name,
      status: 'fail',
      detail: `${error.message} (${settings.token.origin})`,
      fix: 'jack login',
    }
  }
}

function configFile({ configFile }: Session): Check[] {
  if (process.platform === 'win32' || !existsSync(configFile)) return []
  const open = (statSync(configFile).mode & 0o077) !== 0
  return open
    ? [
        {
          name: 'config',
          status: 'warn',
          detail: `${configFile} can be read by others`,
          fix: `chmod 600 ${configFile}`,
        },
      ]
    : [{ name: 'config', status: 'ok', detail: `${configFile} is yours alone` }]
}

async function git(): Promise<Check> {
  try {
    const { execa } = await import('execa')
    const { stdout } = await execa('git', ['--version'], { timeout: 5_000 })
    return { name: 'git', status: 'ok', detail: stdout.trim().replace('git version ', '') }
  } catch {
    return {
      name: 'git',
      status: 'warn',
      detail: 'not found',
      fix: 'install git; deploying works without it',
    }
  }
}

async function disk({ settings }: Session): Promise<Check> {
  let folder = settings.data.value
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder)
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  const detail = `${bytes(free)} free for ${settings.data.value}`
  if (free < 200_000_000)
    return { name: 'disk', status: 'fail', detail, fix: 'make room, or choose another --data' }
  return { name: 'disk', status: free < 1_000_000_000 ? 'warn' : 'ok', detail }
}
