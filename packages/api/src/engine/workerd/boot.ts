import { chmodSync, chownSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { ErrorCode } from '@jackcloud/sdk/wire'
import { Client, Pool } from 'undici'
import { JackError } from '../../Errors.ts'
import type { App, EngineEvents } from '../Engine.ts'
import { appLog } from './appLog.ts'
import type { ProcessClock } from './clock.ts'
import { calledBy, environmentNames } from './config.ts'
import type { Egress } from './egress/egress.ts'
import { type Processes, StartError, type WorkerProcess } from './processes.ts'
import { startFailure } from './startFailure.ts'
import type { Guard } from './watchdog.ts'

/** An app as the engine keeps it: its modules are in the compiled config. */
export type HostedApp = Omit<App, 'modules'>

export interface BootOptions {
  processes: Processes
  clock: ProcessClock
  events: EngineEvents
  egress: Egress
  assets?: (deploymentId: string, request: IncomingMessage, response: ServerResponse) => void
  services?: Services
  now: () => number
}

/** Answers what apps ask of other projects, named by a service binding. */
export interface Services {
  request(
    caller: ServiceCaller,
    service: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): void
  upgrade(
    caller: ServiceCaller,
    service: string,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): void
}

export type ServiceCaller = Pick<App, 'projectId' | 'accountId'>

/** A process that answers for an app. */
export interface LiveApp {
  process: WorkerProcess
  requests: Pool
  control: Client
  /** Answers for the project's databases; see `stateModules.ts`. */
  databases?: Client
  /** The directory that it keeps data in. */
  stateDir?: string
  leases: number
  /** Of the leases, those that became sockets. */
  detached: number
  idleSince: number
  startedAt: Date
  /** No new requests: it is being replaced or put to sleep. */
  ending?: Promise<void>
  /** Somebody waits for its data. */
  handOver: boolean
  fallingAsleep: boolean
  countingRows: boolean
  /** When it ended by our doing, so that its exit is no crash. */
  expected: boolean
  guard?: Guard | undefined
  billedNs: bigint
  ticked: { cpuNs: bigint; at: number }
  /** CPU clock when the ping was sent that is not answered yet. */
  pingedNs?: bigint | undefined
}

const START_MS = 5000
/** CPU of a process until it has an empty app: 20 ms, measured, and some more where data is opened. */
const RUNTIME_START_NS = 30_000_000n

/**
 * Starts a process with an app in it, and the servers that it may connect to; they end with it.
 * Throws `code` with what the app said when it does not start.
 *
 * @param config path of the compiled config
 * @param stateDir where it keeps data, if it does
 */
export async function bootApp(
  options: BootOptions,
  app: HostedApp,
  config: string,
  code: ErrorCode,
  stateDir?: string,
): Promise<LiveApp> {
  const { processes, clock, now } = options
  // The databases alone have no app beside them.
  const listens = [
    ...(app.main === '' ? [] : ['http']),
    'control',
    ...(hasDatabases(app) ? ['databases'] : []),
  ]
  const names = environmentNames(app)
  const { deploymentId, revision, projectId } = app
  const log = appLog(
    (line) =>
      options.events.log({ ...line, deploymentId, revision, projectId, at: new Date(now()) }),
    now,
  )
  const called = calledBy(app)
  const servers: Server[] = []
  const isOnline = app.egress === null || app.egress.length > 0
  let closeWayOut = async () => {}
  let process: WorkerProcess
  let triedNs = 0n
  try {
    process = await processes.start({
      purpose: stateDir ? 'data' : 'app',
      config,
      memoryMb: app.limits.memoryMb,
      startTimeoutMs: START_MS,
      listens,
      ...(stateDir && { stateDir }),
      connects: [
        ...(isOnline ? ['outbound'] : []),
        ...(app.assetsBinding ? ['assets'] : []),
        ...called.map((_, i) => `service${i}`),
      ],
      env: Object.fromEntries(names.map(([name, variable]) => [variable, app.env[name] as string])),
      onLine: log.onLine,
      onStarting: (pid) => {
        const cpuNs = clock.cpuNs(pid)
        if (cpuNs > triedNs) triedNs = cpuNs
      },
      patience: log.patience,
      prepare: async (dir, uid) => {
        if (isOnline) closeWayOut = await options.egress.open(app, join(dir, 'outbound.sock'), uid)
        if (app.assetsBinding)
          servers.push(await listen(assetsServer(options, app), join(dir, 'assets.sock'), uid))
        for (const [i, service] of called.entries())
          servers.push(
            await listen(serviceServer(options, app, service), join(dir, `service${i}.sock`), uid),
          )
      },
    })
  } catch (error) {
    for (const server of servers) server.close()
    log.end()
    void closeWayOut()
    // A deploy that fails costs nothing; an app that fails to start again and again would compute for nothing.
    const cpuMs = Number(triedNs - RUNTIME_START_NS) / 1e6
    if (code === 'app_failed' && cpuMs > 0)
      options.events.cpu({ deploymentId, revision, projectId, cpuMs })
    if (error instanceof StartError) throw startFailure(code, error.message)
    throw error
  }
  const client = { socketPath: process.socket('http'), headersTimeout: 0, bodyTimeout: 0 }
  const startCpu = clock.cpuNs(process.pid)
  const live: LiveApp = {
    process,
    requests: new Pool('http://app', { ...client, connections: 256, keepAliveTimeout: 600_000 }),
    control: new Client('http://app', {
      socketPath: process.socket('control'),
      headersTimeout: 0,
      maxResponseSize: 65_536,
      keepAliveTimeout: 600_000,
    }),
    ...(hasDatabases(app) && {
      databases: new Client('http://app', {
        socketPath: process.socket('databases'),
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: 600_000,
        // The runtime carries 32 MiB of rows, which JSON makes more of.
        maxResponseSize: 100 * 1_048_576,
      }),
    }),
    ...(stateDir && { stateDir }),
    leases: 0,
    detached: 0,
    handOver: false,
    fallingAsleep: false,
    countingRows: false,
    idleSince: performance.now(),
    startedAt: new Date(now()),
    expected: false,
    // What the runtime itself takes to start is ours; the rest of the start is the app's.
    billedNs: startCpu < RUNTIME_START_NS ? startCpu : RUNTIME_START_NS,
    ticked: { cpuNs: startCpu, at: performance.now() },
  }
  void process.exited.then(() => {
    log.end()
    void closeWayOut()
    for (const server of servers) {
      server.close()
      server.closeAllConnections()
    }
  })
  return live
}

const hasDatabases = ({ bindings }: HostedApp) => bindings.some((it) => it.type === 'd1')

function assetsServer({ assets }: BootOptions, app: HostedApp): Server {
  return createServer((request, response) => {
    if (assets) assets(app.deploymentId, request, response)
    else response.writeHead(404).end()
  })
}

/** Who calls, and whom, is known by the socket. */
function serviceServer({ services }: BootOptions, app: HostedApp, service: string): Server {
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 600_000 })
  server.on('request', (request, response) => {
    if (services) services.request(app, service, request, response)
    else response.writeHead(404).end()
  })
  server.on('upgrade', (request, socket, head) => {
    if (services) services.upgrade(app, service, request, socket, head)
    else socket.destroy()
  })
  return server
}

/** What a process's environment cannot carry. */
export function checkEnvironment(app: Pick<App, 'env'>, code: ErrorCode): void {
  for (const [name, value] of Object.entries(app.env)) {
    if (value.includes('\0') || Buffer.byteLength(value) > MAX_VALUE_BYTES)
      throw new JackError(code, `The variable ${name} cannot be passed to the app`, {
        hint: 'A value has at most 120 KB and no NUL character',
        fields: { output: `${name} is too long or has a NUL character` },
      })
  }
}

const MAX_VALUE_BYTES = 120_000

/** A server of ours that the process may connect to. */
async function listen(server: Server, path: string, uid: number | undefined): Promise<Server> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  if (uid !== undefined) chownSync(path, uid, uid)
  chmodSync(path, 0o600)
  server.unref()
  return server
}
