import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { createApp } from './app.ts'
import { type Config, isLoopback } from './Config.ts'
import { ClientDocuments } from './clients/ClientDocuments.ts'
import { JackError } from './Errors.ts'
import type { Engine } from './engine/Engine.ts'
import { createWorkerdEngine, stateRoot } from './engine/workerd/index.ts'
import { Gateway } from './gateway/gateway.ts'
import { Logbook } from './gateway/logbook.ts'
import { Meter } from './gateway/meter.ts'
import { Recorder } from './gateway/recorder.ts'
import { Routes } from './gateway/routes.ts'
import { SourceMaps } from './gateway/sourceMaps.ts'
import { serveOperator } from './http/operator.ts'
import { makeId } from './Id.ts'
import { openGitHub } from './identity/github.ts'
import type { Jack } from './jack.ts'
import { Issuers } from './oidc/Issuers.ts'
import { checkPayments, noPayments } from './payments/checks.ts'
import { Forgeries } from './payments/Forgeries.ts'
import { openPayments } from './payments/open.ts'
import type { Hex } from './Session.ts'
import { createListener, serve } from './server.ts'
import { Audit } from './store/audit.ts'
import { Background } from './store/background.ts'
import { Blobs } from './store/blobs.ts'
import { Captures } from './store/captures.ts'
import * as charges from './store/charges.ts'
import { type Connection, openDatabase } from './store/database.ts'
import { openDataDirectory } from './store/dataDirectory.ts'
import { startEmbedded } from './store/embedded/startEmbedded.ts'
import { EnvStore } from './store/env.ts'
import * as idempotency from './store/idempotency.ts'
import { encryptionKey, readSecret, writeSecret } from './store/keyFile.ts'
import { settleAbandoned } from './store/ledger.ts'
import { migrate } from './store/migrate.ts'
import { listen } from './store/notices.ts'
import { PayerCache } from './store/payerCache.ts'
import { every } from './store/periodic.ts'
import { setInactivity } from './store/projects.ts'
import { openReceiptKey, publish } from './store/receiptKey.ts'
import { sealDue } from './store/receipts.ts'
import { finishRestore } from './store/restore.ts'
import { chargeDue } from './store/runtime.ts'
import { openSnapshot } from './store/snapshot.ts'
import * as usage from './store/usage.ts'
import { Vouchers } from './store/vouchers.ts'
import { Wallets } from './store/wallets.ts'
import { makeUrls } from './Urls.ts'
import { collect } from './verbs/collect.ts'
import { endVersions } from './verbs/end-versions.ts'
import { ensureLocalAccount } from './verbs/ensure-local-account.ts'
import { loadSource } from './verbs/load-source.ts'
import { recoverCharges } from './verbs/recover-charges.ts'
import { rollUsage } from './verbs/roll-usage.ts'
import { runDueCrons } from './verbs/run-due-crons.ts'
import { chargeEveryMs, settleRuntime } from './verbs/settle-runtime.ts'
import { settleSessions } from './verbs/settle-sessions.ts'
import { strike } from './verbs/strike.ts'
import { sweep } from './verbs/sweep.ts'
import { wakeProject } from './verbs/wake-project.ts'
import { watchSessions } from './verbs/watch-sessions.ts'

/** A server that answers. */
export interface Cloud {
  jack: Jack
  url: string
  /** Where it listens. */
  port: number
  /** Token of the development account; null unless the mode is local. */
  token: string | null
  /** Key of a development wallet that has money, on a local chain. */
  wallet: { address: Hex; privateKey: Hex } | null
  /** Drains requests for at most `graceMs`, then closes everything in the reverse order of opening. */
  close(graceMs?: number): Promise<void>
}

/**
 * Opens every port, then listens. Whatever was opened is closed again when a later step fails.
 *
 * @param database where Postgres answers; without one, an embedded server is started
 */
export async function startCloud(
  config: Config,
  log: Logger,
  database: Connection | undefined = config.databaseUrl,
): Promise<Cloud> {
  const opened: (() => unknown)[] = []
  const closeAll = async () => {
    for (const close of opened.splice(0).reverse()) await close()
  }
  try {
    return await open(config, log, database, opened, closeAll)
  } catch (error) {
    await closeAll()
    throw error
  }
}

async function open(
  config: Config,
  log: Logger,
  database: Connection | undefined,
  opened: (() => unknown)[],
  closeAll: () => Promise<void>,
): Promise<Cloud> {
  const closing = new AbortController()
  const data = openDataDirectory(config.dataDir)
  opened.push(() => data.release())

  const server = createListener()
  server.listen(config.port, config.host)
  await once(server, 'listening')
  opened.push(() => server.close())
  const { port } = server.address() as AddressInfo

  let connection = database
  if (connection === undefined) {
    const embedded = await startEmbedded({
      dataDir: config.dataDir,
      logger: { info: (text) => log.info(text), warn: (text) => log.warn(text) },
    })
    connection = embedded.connection
    opened.push(() => embedded.stop())
  }
  const db = openDatabase({
    connection,
    onError: (err) => log.warn({ err }, 'database connection'),
  })
  opened.push(() => db.destroy())
  const relaxedDb = openDatabase({
    connection,
    relaxed: true,
    onError: (err) => log.warn({ err }, 'database connection'),
  })
  opened.push(() => relaxedDb.destroy())
  const background = new Background((err) => log.error({ err }, 'background work'))
  const captures = new Captures(db, background)
  const audit = new Audit(relaxedDb, background)
  opened.push(() => {
    captures.flush()
    audit.flush()
    return background.drain()
  })
  const restored = await finishRestore({
    dataDir: data.path,
    db,
    connection,
    encryptionKey: config.encryptionKey,
    stateDir: () => stateRoot(join(config.dataDir, 'engine')),
  })
  if (restored) log.info({ from: restored.url, madeAt: restored.made_at }, 'backup restored')
  const migrated = await migrate(db)
  if (migrated.length > 0) log.info({ migrations: migrated }, 'schema brought up to date')
  // Nobody else uses this database: what is unfinished in it was cut off.
  if (database === undefined) {
    await settleAbandoned(db, 0)
    await idempotency.loseAll(db)
    await charges.leaveAll(db)
  }

  const receiptKey = await openReceiptKey(config.receiptKey, join(config.dataDir, 'receipt.key'))
  await publish(db, receiptKey)

  const run = randomBytes(9).toString('base64url')
  const meter = new Meter(
    run,
    (batch) => usage.store(db, batch),
    () => new Date(),
  )
  const blobs = new Blobs(join(config.dataDir, 'blobs'), (path) =>
    log.error(
      { path },
      'a blob is damaged or gone: restore it from a backup, or have its owner deploy again',
    ),
  )
  await blobs.prepare()
  const sourceMaps = new SourceMaps((id) => loadSource({ db, blobs }, id))
  opened.push(() => sourceMaps.close())
  const logbook = new Logbook(relaxedDb, (lines) => sourceMaps.mapped(lines))
  const recorder = new Recorder(logbook, meter, (err) => log.warn({ err }, 'recorder'))
  recorder.start(config.flushMs)
  opened.push(async () => {
    await recorder.stop()
    await chargeDue(db, `run_${run}.exit`, { now: new Date() }).catch((err) =>
      log.error({ err }, 'charging at the end'),
    )
  })
  const routes = new Routes(db)
  const payers = new PayerCache(relaxedDb)
  let started: Engine | undefined
  const notices = listen(connection, {
    project: (label) => routes.forget(label),
    suspended: (projectId) => void (started && endVersions(started, projectId)),
    token: () => payers.forget(),
  })
  opened.push(() => notices.stop())
  await notices.ready

  const newId: Jack['newId'] = (prefix) => makeId(prefix, Date.now(), randomBytes(14))
  const sha256: Jack['sha256'] = (content) => createHash('sha256').update(content).digest('hex')
  const wallets = new Wallets(db, { accountId: () => newId('acc'), sha256 })
  const paying = await openPayments(config, log, {
    now: () => jack.now(),
    sessionOf: (channelId) => wallets.sessionOf(channelId),
  })
  if (paying) opened.push(() => paying.close())

  let gateway: Gateway | undefined
  let wake = (_projectId: string) => {}
  const engine = createWorkerdEngine({
    dataDir: join(config.dataDir, 'engine'),
    pool: config.pool,
    idleMs: config.idleMs,
    ...(config.maxLive > 0 && { maxLive: config.maxLive }),
    ...(config.sandbox && { sandbox: { force: config.sandbox } }),
    logger: log,
    assets: (deploymentId, req, res) => void gateway?.serveBinding(deploymentId, req, res),
    services: {
      request: (caller, service, req, res) =>
        void gateway?.serveService({ caller, service }, req, res),
      upgrade: (caller, service, req, socket, head) =>
        void gateway?.upgradeService({ caller, service }, req, socket, head),
    },
    // So that apps which are paid can be tried out: of this machine they reach the local chain, and nothing else.
    egress: { permit: paying?.localRpc ? [paying.localRpc] : [] },
    events: {
      log: (line) => recorder.line(line),
      cpu: (usage) => recorder.cpu(usage.projectId, usage.cpuMs),
      rows: ({ projectId, read, written }) => recorder.rows(projectId, { read, written }),
      wake: (projectId) => wake(projectId),
      egress: ({ projectId, requests, bytesOut, bytesIn }) =>
        recorder.egress(projectId, { requests, bytes: bytesOut + bytesIn }),
      killed: (event) => {
        log.warn(event, 'app killed')
        recorder.line({
          projectId: event.projectId,
          deploymentId: event.deploymentId,
          at: new Date(),
          level: 'error',
          message: `[killed: ${event.reason}] ${event.detail}`,
        })
        const at = new Date()
        background.start(() => strike(jack, event, at))
      },
    },
  })
  await engine.start()
  started = engine
  opened.push(() => engine.close(10_000))
  requireWalls(config, engine.sandbox.level)

  const authority = authorityOf(config, port)
  const scheme = config.publicUrl ? new URL(config.publicUrl).protocol : 'http:'
  const jack: Jack = {
    config,
    db,
    relaxedDb,
    background,
    captures,
    audit,
    issuers: new Issuers(config.oidcIssuers, () => jack.urls.api),
    vouchers: new Vouchers(db),
    payers,
    wallets,
    payments: paying?.payments ?? null,
    forgeries: new Forgeries(Math.max(60, Math.ceil(config.requestsPerMinute / 100))),
    github: config.github && openGitHub(config.github),
    clientDocuments: new ClientDocuments(),
    engine,
    blobs,
    scratchDir: await emptyFolder(join(config.dataDir, 'scratch')),
    recorder,
    routes,
    log,
    env: new EnvStore(
      await encryptionKey(config.encryptionKey, join(config.dataDir, 'encryption.key')),
    ),
    receiptKey,
    urls: makeUrls(
      config.publicUrl ?? `http://${hostForUrl(config.host)}:${port}`,
      scheme,
      authority,
    ),
    closing: closing.signal,
    now: () => new Date(),
    newId,
    sha256,
  }
  wake = (projectId) => background.start(() => wakeProject(jack, projectId))
  const token = config.local ? await localToken(jack) : null
  await setInactivity(db, config.inactiveDays)
  const sweeping = every(db, 'sweep', 10_000, () => sweep(jack), {
    onError: (err) => log.error({ err }, 'sweep'),
  })
  opened.push(() => sweeping.stop())
  const scheduling = every(relaxedDb, 'cron', 1_000, () => runDueCrons(jack), {
    onError: (err) => log.error({ err }, 'crons'),
  })
  opened.push(() => scheduling.stop())
  const collecting = every(db, 'collect', 3_600_000, () => collect(jack), {
    onError: (err) => log.error({ err }, 'collect'),
  })
  opened.push(() => collecting.stop())
  const settling = every(db, 'runtime', chargeEveryMs, () => settleRuntime(jack), {
    onError: (err) => log.error({ err }, 'runtime'),
  })
  opened.push(() => settling.stop())
  const closingSessions = every(db, 'sessions', 10_000, () => watchSessions(jack), {
    onError: (err) => log.error({ err }, 'sessions'),
  })
  opened.push(() => closingSessions.stop())
  const settlingSessions = every(db, 'settle', 60_000, () => settleSessions(jack), {
    onError: (err) => log.error({ err }, 'settle'),
  })
  opened.push(() => settlingSessions.stop())
  const sealing = every(db, 'receipts', 10_000, () => sealDue(db, receiptKey, closing.signal), {
    onError: (err) => log.error({ err }, 'receipts'),
  })
  opened.push(() => sealing.stop())
  const rolling = every(db, 'usage', 3_600_000, () => rollUsage(jack), {
    onError: (err) => log.error({ err }, 'usage'),
  })
  opened.push(() => rolling.stop())

  const recovering = every(db, 'charges', 20_000, () => recoverCharges(jack), {
    onError: (err) => log.error({ err }, 'charges'),
  })
  opened.push(() => recovering.stop())

  const operator = await serveOperator(jack, data.path, {
    openSnapshot: () => openSnapshot(connection),
    checkPayments: async () => (paying ? checkPayments(paying.setup, jack.now) : [noPayments]),
  })
  opened.push(() => operator.close())
  gateway = new Gateway(jack, routes)
  serve(server, jack, createApp(jack), gateway)
  return {
    jack,
    url: jack.urls.api,
    port,
    token,
    wallet: paying?.wallet ?? null,
    async close(graceMs = 10_000) {
      closing.abort()
      const drained = new Promise<void>((resolve) => server.close(() => resolve()))
      // A connection that was busy is kept alive by its client when its answer is out, and nobody else ends it.
      const idle = setInterval(() => server.closeIdleConnections(), 20)
      const timer = setTimeout(() => server.closeAllConnections(), graceMs)
      await drained
      clearInterval(idle)
      clearTimeout(timer)
      await closeAll()
    },
  }
}

/** Whoever lets others in must have the full sandbox, or say that he can do without. */
function requireWalls(config: Config, level: string): void {
  if (isLoopback(config.host) || level === 'full' || config.allowWeakSandbox) return
  throw new JackError(
    'forbidden',
    `The sandbox is only "${level}", and ${config.host} can be reached from outside.`,
    {
      hint:
        'Install bubblewrap, or listen on 127.0.0.1. If every program that will ever run is trusted, set ' +
        'JACK_UNSAFE_ALLOW_WEAK_SANDBOX=1.',
    },
  )
}

async function localToken(jack: Jack): Promise<string> {
  const path = join(jack.config.dataDir, 'token')
  const known = await readSecret(path)
  const token = await ensureLocalAccount(jack, known)
  if (token !== known) await writeSecret(path, token)
  return token
}

function authorityOf(config: Config, port: number): string {
  if (!config.publicUrl) return `${config.domain}:${port}`
  const publicPort = new URL(config.publicUrl).port
  return publicPort ? `${config.domain}:${publicPort}` : config.domain
}

const hostForUrl = (host: string): string =>
  host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host

async function emptyFolder(path: string): Promise<string> {
  await rm(path, { recursive: true, force: true })
  await mkdir(path, { mode: 0o700 })
  return path
}
