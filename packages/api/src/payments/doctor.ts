import { readFileSync, statSync } from 'node:fs'
import { type Config, ConfigError, configNames, readConfig } from '../Config.ts'
import { type Check, checkPayments, noPayments } from './checks.ts'
import { setupOf } from './setup.ts'

/**
 * `jack-api doctor`: whether a server with this environment could be paid, before it is started. Prints a line a check, or
 * one JSON object. Answers the exit code: 1 when something has to be done.
 */
export async function doctor(
  env: Record<string, string | undefined>,
  json: boolean,
): Promise<number> {
  const checks = await checksOf(env)
  const ok = checks.every((it) => it.status !== 'fail')
  const lines = checks.map(
    ({ status, name, detail, fix }) =>
      `${status.padEnd(4)}  ${name.padEnd(9)}  ${detail}${fix ? `\n                 fix: ${fix}` : ''}`,
  )
  process.stdout.write(json ? `${JSON.stringify({ ok, checks })}\n` : `${lines.join('\n')}\n`)
  return ok ? 0 : 1
}

async function checksOf(env: Record<string, string | undefined>): Promise<Check[]> {
  const name = 'settings'
  let config: Config
  try {
    // Where data would be is of no matter here.
    config = readConfig({ JACK_DATA: '.', ...env }, (path) => readFileSync(path, 'utf8'))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map((detail) => ({ name, status: 'fail', detail }))
  }
  const { chain } = config.payments
  if (chain === 'none') return [noPayments]
  if (chain === 'local')
    return [
      {
        name,
        status: 'fail',
        detail: 'a local chain runs with its cloud, and none runs here',
        fix: 'jack up, then ask again',
      },
    ]
  return [
    { name, status: 'ok', detail: `to be paid on ${chain}` },
    ...openFiles(env),
    ...(await checkPayments(setupOf(chain, config.payments), () => new Date())),
  ]
}

/** Files with secrets that not only their owner can read. */
function openFiles(env: Record<string, string | undefined>): Check[] {
  if (process.platform === 'win32') return []
  return configNames.flatMap((it) => {
    const path = env[`${it}_FILE`]
    if (!path || (statSync(path).mode & 0o077) === 0) return []
    const detail = `${path} can be read by others`
    return [{ name: 'files', status: 'warn' as const, detail, fix: `chmod 600 ${path}` }]
  })
}
