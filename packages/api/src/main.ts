#!/usr/bin/env node
import { closeSync, readFileSync, writeSync } from 'node:fs'
import { pino } from 'pino'
import { ConfigError, readConfig, secretNames } from './Config.ts'
import { JackError } from './Errors.ts'
import { serveMetrics } from './http/metrics.ts'
import { type Cloud, startCloud } from './start.ts'

// The only reader of the environment. Opens what the server stands on, listens, and closes in reverse order.
if (process.argv[2] === 'doctor') {
  const { doctor } = await import('./payments/doctor.ts')
  process.exit(await doctor(process.env, process.argv.includes('--json')))
}
const config = configured()
// Nothing that is started from here has to know them.
for (const name of secretNames) delete process.env[name]
const log = pino({
  level: config.logLevel,
  redact: {
    paths: [
      'token',
      'secret',
      '*.token',
      '*.secret',
      'authorization',
      '*.authorization',
      'env',
      '*.env',
    ],
  },
})

process.on('unhandledRejection', (err) => log.error({ err }, 'unhandled rejection'))

let cloud: Cloud
try {
  cloud = await startCloud(config, log)
} catch (error) {
  log.fatal({ err: error }, 'could not start')
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`jack: ${message}\n`)
  // Of anything else the parent makes more out of our log.
  if (error instanceof JackError) {
    tellParent({ error: { code: error.code, message, hint: error.hint } })
  }
  process.exit(1)
}
const metrics =
  config.metricsPort === undefined ? undefined : await serveMetrics(cloud.jack, config.metricsPort)
announce(cloud)

function configured() {
  try {
    return readConfig(process.env, (path) => readFileSync(path, 'utf8'))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`jack: ${error.message}\n`)
    process.exit(1)
  }
}

let closing = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => close(signal))
// A parent that waits for the ready line holds our stdin: when it dies, so do we.
if (process.env.JACK_READY_FD) process.stdin.resume().on('end', () => close('the parent ended'))

function close(reason: string): void {
  if (closing) return
  closing = true
  log.info({ reason }, 'closing')
  metrics?.close()
  cloud.close().then(
    () => process.exit(0),
    (error) => {
      log.error({ err: error }, 'closing failed')
      process.exit(1)
    },
  )
}

/** Tells the parent, on the descriptor it named, that everything answers. The token goes there and nowhere else. */
function announce({ jack, url, token, wallet }: Cloud): void {
  log.info({ url, sandbox: jack.engine.sandbox.level }, 'ready')
  tellParent({
    url,
    domain: jack.urls.authority,
    token,
    data: config.dataDir,
    sandbox: jack.engine.sandbox.level,
    ...(wallet && { wallet: { address: wallet.address } }),
    ...(jack.payments && {
      chain: {
        id: jack.payments.chain.id,
        rpc_url: jack.payments.chain.rpcUrl,
        token: jack.payments.chain.token,
      },
    }),
    pid: process.pid,
  })
}

function tellParent(line: object): void {
  const fd = Number(process.env.JACK_READY_FD)
  if (!Number.isInteger(fd) || fd < 3) return
  writeSync(fd, `${JSON.stringify(line)}\n`)
  closeSync(fd)
}
