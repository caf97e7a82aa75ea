import { createHash } from 'node:crypto'
import { mkdirSync, realpathSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { JackError } from '../../Errors.ts'
import type {
  App,
  AppName,
  Data,
  Engine,
  EngineEvents,
  Execution,
  Lease,
  Outcome,
  RunningApp,
  SandboxLevel,
  SandboxReport,
  ScheduledEvent,
  ScheduledOutcome,
  Turn,
} from '../Engine.ts'
import { Apps } from './apps.ts'
import { findBinary, reachable } from './binary.ts'
import type { BootOptions, Services } from './boot.ts'
import { openProcessClock } from './clock.ts'
import { executeConfig } from './config.ts'
import { Configs } from './configs.ts'
import { Egress, type EgressOptions } from './egress/egress.ts'
import { type ExecuteProcess, runProgram, startExecuteProcess } from './execute.ts'
import { Pool } from './pool.ts'
import { Processes } from './processes.ts'
import { ProjectData } from './projectData.ts'
import { defaultRunDir, takeRunDirectory } from './runDirectory.ts'
import { closeInheritedOnExec, detectSandbox } from './sandbox.ts'
import { StateDirs } from './stateDirs.ts'
import { Supervision } from './supervision.ts'
import { Watchdog } from './watchdog.ts'

export interface WorkerdOptions {
  /** Keeps compiled configs. */
  dataDir: string
  /** For sockets: at most 80 bytes long. Default: under the system's temporary directory. */
  runDir?: string
  pool: {
    size: number
    /** Whether a process may run another program of the same account. */
    reuse: 'account' | 'never'
    maxUses: number
    /** How many executions may wait, in all and of one account. */
    queue: number
    queuePerAccount: number
    /** Heap of a process of the pool; an execution's own limit may be lower. Default 128. */
    memoryMb?: number
  }
  /** After this long without a request an app's process ends. */
  idleMs: number
  /** How many apps run at once. Default: as many as fit into half of the memory at 32 MB each. */
  maxLive?: number
  /** How many deployments are remembered, so that a start of them loads nothing. Default 1,000. */
  remembered?: number
  /** Whether idle apps should sleep now rather than later. Default: less than a tenth of the memory is free. */
  memoryIsShort?: () => boolean
  sandbox?: { require?: SandboxLevel; force?: SandboxLevel }
  egress?: EgressOptions
  events: EngineEvents
  logger: Pick<Logger, 'info' | 'warn' | 'error'>
  /** Answers what an app asks of its service bindings. */
  services?: Services
  /** Answers what an app asks of its assets binding. */
  assets?: (deploymentId: string, request: IncomingMessage, response: ServerResponse) => void
  now?: () => number
}

/** Isolates on this machine: workerd in a sandbox, one process for each app and for each running execution. */
export function createWorkerdEngine(options: WorkerdOptions): Engine {
  return new WorkerdEngine(options)
}

interface Started {
  report: SandboxReport
  pool: Pool<ExecuteProcess>
  apps: Apps
  data: ProjectData
  configs: Configs
  egress: Egress
  watchdog: Watchdog
  clock: ReturnType<typeof openProcessClock>
  processes: Processes
  giveBack(): void
}

class WorkerdEngine implements Engine {
  readonly #options: WorkerdOptions
  #started: Started | undefined
  #closing: Promise<void> | undefined

  constructor(options: WorkerdOptions) {
    this.#options = options
  }

  get sandbox(): SandboxReport {
    return this.#ready().report
  }

  async start(): Promise<void> {
    const { dataDir, sandbox: wanted = {}, logger } = this.#options
    mkdirSync(dataDir, { recursive: true })
    const runDir = this.#options.runDir ?? defaultRunDir(realpathSync(dataDir))
    const giveBack = takeRunDirectory(runDir)
    let opened: Started | undefined
    try {
      closeInheritedOnExec()
      // What sandboxed processes read has to be where their users can reach it.
      const shared = join(isReachable(dataDir) ? dataDir : runDir, 'workerd')
      mkdirSync(shared, { recursive: true, mode: 0o711 })
      const binary = findBinary(shared)
      const sandbox = detectSandbox({
        binary,
        dir: shared,
        force: wanted.force,
        uidSeed: createHash('sha256').update(runDir).digest().readUInt32LE(),
      })
      requireLevel(sandbox.report, wanted.require)
      logger.info(
        { sandbox: sandbox.report },
        `programs run at sandbox level ${sandbox.report.level}`,
      )
      opened = this.#open(sandbox, binary, shared, runDir, giveBack)
      await opened.pool.start()
      this.#started = opened
      void opened.data.start().catch((error) => logger.error({ err: error }, 'alarms of projects'))
    } catch (error) {
      await opened?.pool.close()
      await opened?.processes.close()
      await opened?.watchdog.close()
      giveBack()
      throw error
    }
  }

  async execute(execution: Execution): Promise<Outcome> {
    const { pool, watchdog, clock } = this.#ready()
    const queuedAt = performance.now()
    return pool.run(execution.accountId, execution.signal, (process) =>
      runProgram(process, execution, { watchdog, clock, queuedAt }),
    )
  }

  async put(app: App): Promise<void> {
    await this.#ready().apps.put(app)
  }

  async open(name: AppName, load: () => Promise<App>): Promise<Lease> {
    return this.#ready().apps.open(name, load)
  }

  async take(projectId: string, deploymentId: string): Promise<Turn> {
    return this.#ready().apps.take(projectId, deploymentId)
  }

  get data(): Data {
    return this.#ready().data
  }

  async scheduled(
    name: AppName,
    load: () => Promise<App>,
    event: ScheduledEvent,
    signal?: AbortSignal,
  ): Promise<ScheduledOutcome> {
    return this.#ready().apps.scheduled(name, load, event, signal)
  }

  async remove(deploymentId: string): Promise<void> {
    await this.#ready().apps.remove(deploymentId)
  }

  async trim(before: Date): Promise<void> {
    await this.#ready().configs.trim(before)
  }

  running(): RunningApp[] {
    return this.#started?.apps.running() ?? []
  }

  async close(graceMs = 10_000): Promise<void> {
    const started = this.#started
    if (!started) return
    this.#closing ??= (async () => {
      started.data.close()
      await Promise.all([started.pool.close(), started.apps.close(graceMs)])
      await started.processes.close()
      await started.egress.close()
      await started.watchdog.close()
      started.giveBack()
    })()
    await this.#closing
  }

  #open(
    sandbox: ReturnType<typeof detectSandbox>,
    binary: ReturnType<typeof findBinary>,
    shared: string,
    runDir: string,
    giveBack: () => void,
  ): Started {
    const { pool: poolOptions, events, logger, idleMs, assets, services } = this.#options
    const clock = openProcessClock()
    const watchdog = new Watchdog(clock)
    const processes = new Processes(sandbox, runDir)
    const configs = new Configs(join(shared, 'configs'), binary)
    const memoryMb = poolOptions.memoryMb ?? 128
    const pool = new Pool<ExecuteProcess>({
      ...poolOptions,
      start: async () =>
        startExecuteProcess(processes, await configs.compile(executeConfig(memoryMb)), memoryMb),
      failed: (error) => logger.error({ err: error }, 'a process for executions did not start'),
    })
    const egress = new Egress(this.#options.egress ?? {}, {
      events,
      logger,
      runDir,
      uid: sandbox.egressUid,
      prefix: sandbox.supervised,
    })
    const now = this.#options.now ?? Date.now
    const boot: BootOptions = {
      processes,
      clock,
      events,
      egress,
      ...(assets ? { assets } : {}),
      ...(services ? { services } : {}),
      now,
    }
    const supervision = new Supervision({
      clock,
      events,
      watchdog,
      idleMs,
      maxLive: this.#options.maxLive ?? Math.max(4, Math.floor(totalmem() / 2 / (32 * 1048576))),
      memoryIsShort: this.#options.memoryIsShort ?? memoryIsShort,
      maySleep: (version) => data.maySleep(version),
    })
    const data = new ProjectData({
      ...boot,
      configs,
      supervision,
      dirs: new StateDirs(this.#options.dataDir),
      wake: (projectId) => events.wake(projectId),
    })
    const apps = new Apps({
      ...boot,
      configs,
      supervision,
      data,
      remembered: this.#options.remembered ?? 1_000,
    })
    const rest = { watchdog, clock, processes, giveBack }
    return { report: sandbox.report, pool, apps, egress, data, configs, ...rest }
  }

  #ready(): Started {
    if (!this.#started) throw new JackError('unavailable', 'The engine is not started')
    return this.#started
  }
}

const memoryIsShort = () => process.availableMemory() < totalmem() / 10

function isReachable(dir: string): boolean {
  // Alone as a user there is nobody else who would have to reach it.
  return process.getuid?.() !== 0 || reachable(realpathSync(dir))
}

const strength: Record<SandboxLevel, number> = { none: 0, namespaces: 1, full: 2 }

function requireLevel(report: SandboxReport, level: SandboxLevel = 'none'): void {
  if (strength[report.level] >= strength[level]) return
  const missing = report.walls.filter((wall) => !wall.active)
  throw new JackError(
    'unavailable',
    `The sandbox is only "${report.level}", and "${level}" is required`,
    {
      hint: `Install bubblewrap (apt install bubblewrap). Missing: ${missing.map((wall) => `${wall.name} (${wall.why})`).join(', ')}`,
    },
  )
}
