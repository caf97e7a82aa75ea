import type { ErrorCode } from '@jackcloud/sdk/wire'
import { keepsData } from '../../Deployment.ts'
import { diskFull } from '../../Disk.ts'
import { JackError } from '../../Errors.ts'
import {
  type App,
  type AppName,
  type Lease,
  Moved,
  type RunningApp,
  type ScheduledEvent,
  type ScheduledOutcome,
} from '../Engine.ts'
import { type BootOptions, bootApp, checkEnvironment, type LiveApp } from './boot.ts'
import { appConfig, environmentNames } from './config.ts'
import type { Configs } from './configs.ts'
import type { ProjectData } from './projectData.ts'
import { callScheduled } from './scheduled.ts'
import { startFailure } from './startFailure.ts'
import type { Running, Supervision, Version } from './supervision.ts'
import type { Turn } from './turns.ts'

export interface AppsOptions extends BootOptions {
  configs: Configs
  supervision: Supervision
  data: ProjectData
  /** How many deployments are remembered; what a start needs of others that sleep is loaded again. */
  remembered: number
}

/** Hosts apps: one process for each version that somebody asks for; of those that keep data, one for each project. */
export class Apps {
  readonly #options: AppsOptions
  readonly #deployments = new Map<string, Map<string, Version>>()
  readonly #loading = new Map<string, Promise<Version>>()
  #order = 0
  #closed = false

  constructor(options: AppsOptions) {
    this.#options = options
  }

  /** Compiles and starts a version. One that keeps data is tried on none: its project's is in use. */
  async put(app: App): Promise<void> {
    const version = await this.#prepare(app, 'deploy_failed')
    const known = this.#find(app)
    if (known?.live && known.digest === version.digest && sameEnv(known.app, app)) return
    if (keepsData(app)) {
      await this.#options.data.tryOut((dir) =>
        this.#start(version, async () => app, 'deploy_failed', dir),
      )
      this.#keep(version)
      return
    }
    const live = await this.#start(version, async () => app, 'deploy_failed')
    this.#adopt(version, live)
  }

  async open(name: AppName, load: () => Promise<App>): Promise<Lease> {
    return (await this.#reach(name, load)).lease
  }

  async scheduled(
    name: AppName,
    load: () => Promise<App>,
    event: ScheduledEvent,
    signal?: AbortSignal,
  ): Promise<ScheduledOutcome> {
    const { live, lease } = await this.#reach(name, load)
    try {
      return await callScheduled(live.process.socket('control'), event, signal)
    } finally {
      lease.release()
    }
  }

  /** The lease is counted in the very step in which its process is seen to run. */
  async #reach(name: AppName, load: () => Promise<App>): Promise<{ live: LiveApp; lease: Lease }> {
    const { supervision } = this.#options
    const lease = ({ version, live }: Running) => ({
      live,
      lease: supervision.lease(version, live),
    })
    for (;;) {
      if (this.#closed)
        throw new JackError('unavailable', 'This server is shutting down', { retryAfterSeconds: 5 })
      const leaving = this.#find(name) ? undefined : this.#leaving(name)
      // A caller that has not heard of the new revision yet: the old one still answers, and is not started again.
      if (leaving) return lease(leaving)
      const version = this.#find(name) ?? (await this.#loadOnce(name, load))
      if (keepsData(version.app)) await this.#awaitTurn(version)
      const live = usable(version.live)
      if (live) return lease({ version, live })
      await this.#wake(version, load)
    }
  }

  /** Starts the version when it is the turn's, so that nobody waits for it. */
  async take(projectId: string, deploymentId: string): Promise<Turn> {
    const turn = await this.#options.data.turns.take(projectId, deploymentId)
    return {
      ...turn,
      keep: () => {
        turn.keep()
        const [version] = [...(this.#deployments.get(deploymentId)?.values() ?? [])].slice(-1)
        if (
          version &&
          keepsData(version.app) &&
          !version.live &&
          this.#options.data.inUse(projectId)
        )
          // Its modules are compiled already: nothing is loaded.
          void this.#wake(version, () => Promise.reject(new Error('not compiled'))).catch(() => {})
      },
    }
  }

  async remove(deploymentId: string): Promise<void> {
    const versions = [...(this.#deployments.get(deploymentId)?.values() ?? [])]
    this.#deployments.delete(deploymentId)
    await Promise.all(
      versions.map(async (version) => {
        const live = version.live ?? (await version.starting?.catch(() => undefined))
        if (live) await this.#options.supervision.drain({ version, live })
      }),
    )
  }

  running(): RunningApp[] {
    return [...this.#options.supervision.running].map(({ version, live }) => ({
      deploymentId: version.app.deploymentId,
      revision: version.app.revision,
      projectId: version.app.projectId,
      pid: live.process.pid,
      requests: live.leases,
      startedAt: live.startedAt,
    }))
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true
    await Promise.all(this.#versions().map((version) => version.starting?.catch(() => undefined)))
    await this.#options.supervision.close(graceMs)
  }

  #find(name: AppName): Version | undefined {
    return this.#deployments.get(name.deploymentId)?.get(name.revision)
  }

  #leaving(name: AppName): Running | undefined {
    return [...this.#options.supervision.running].find(
      ({ version: { app }, live }) =>
        live.ending !== undefined &&
        !live.handOver &&
        app.deploymentId === name.deploymentId &&
        app.revision === name.revision &&
        !live.expected &&
        !live.process.dead,
    )
  }

  async #awaitTurn({ app: { projectId, deploymentId } }: Version): Promise<void> {
    const { turns } = this.#options.data
    if (turns.has(projectId, deploymentId)) return
    if (!(await turns.wait(projectId, deploymentId))) throw new Moved(deploymentId)
  }

  #loadOnce(name: AppName, load: () => Promise<App>): Promise<Version> {
    const key = `${name.deploymentId}\n${name.revision}`
    const running = this.#loading.get(key)
    if (running) return running
    const loading = (async () => {
      const app = await load()
      const version = await this.#prepare(app, 'app_failed')
      // What was loaded may have moved on to a revision that is known already.
      const known = this.#find(app)
      if (known) return known
      this.#keep(version)
      return version
    })().finally(() => this.#loading.delete(key))
    this.#loading.set(key, loading)
    return loading
  }

  /** Checks what cannot be started, and compiles. */
  async #prepare(app: App, code: ErrorCode): Promise<Version> {
    checkEnvironment(app, code)
    const config = appConfig(app)
    try {
      await this.#options.configs.compile(config)
    } catch (error) {
      throw (
        diskFull(error) ??
        startFailure(code, String((error as { stderr?: unknown }).stderr ?? error))
      )
    }
    const { modules: _, ...rest } = app
    const digest = this.#options.configs.digest(config)
    return { app: rest, digest, order: ++this.#order, strikes: 0, retryAt: 0 }
  }

  #keep(version: Version): void {
    const { deploymentId, revision } = version.app
    const versions = this.#deployments.get(deploymentId) ?? new Map<string, Version>()
    versions.set(revision, version)
    this.#deployments.set(deploymentId, versions)
  }

  /** Once many are known, one that falls asleep is forgotten: memory does not grow with what was ever deployed. */
  #forgetSleeper(version: Version): void {
    const { deploymentId, revision } = version.app
    if (this.#deployments.size <= this.#options.remembered) return
    const versions = this.#deployments.get(deploymentId)
    if (versions?.get(revision) !== version) return
    if (version.live || version.starting || version.strikes > 0) return
    versions.delete(revision)
    if (versions.size === 0) this.#deployments.delete(deploymentId)
  }

  /** A version that was just put takes over from whatever the deployment ran before. */
  #adopt(version: Version, live: LiveApp): void {
    const before = this.#find(version.app)
    this.#keep(version)
    version.live = live
    if (before) this.#retire(before)
    this.#retireOlder(version)
  }

  /** Starts once for many callers. */
  #wake(version: Version, load: () => Promise<App>): Promise<LiveApp> {
    const wait = version.retryAt - performance.now()
    if (wait > 0)
      return Promise.reject(
        new JackError(
          'app_failed',
          'The app was stopped too often and waits before it starts again',
          {
            hint: 'See its logs: it used too much CPU or memory, or it crashed',
            retryAfterSeconds: Math.ceil(wait / 1000),
          },
        ),
      )
    version.starting ??= this.#startKept(version, load).finally(() => {
      delete version.starting
    })
    return version.starting
  }

  async #startKept(version: Version, load: () => Promise<App>): Promise<LiveApp> {
    try {
      const live = keepsData(version.app)
        ? await this.#options.data.use(version.app, (dir) =>
            this.#start(version, load, 'app_failed', dir),
          )
        : await this.#start(version, load, 'app_failed')
      version.live = live
      this.#retireOlder(version)
      return live
    } catch (error) {
      if (error instanceof JackError && error.code === 'app_failed')
        this.#options.supervision.strike(version)
      throw error
    }
  }

  #retireOlder(current: Version): void {
    const versions = this.#deployments.get(current.app.deploymentId)
    for (const [revision, version] of versions ?? []) {
      if (version.order >= current.order) continue
      versions?.delete(revision)
      this.#retire(version)
    }
  }

  #retire(version: Version): void {
    const { supervision } = this.#options
    if (version.live) void supervision.drain({ version, live: version.live })
    else version.starting?.then((live) => supervision.drain({ version, live })).catch(() => {})
  }

  #start(
    version: Version,
    load: () => Promise<App>,
    code: ErrorCode,
    stateDir?: string,
  ): Promise<LiveApp> {
    const { configs, supervision } = this.#options
    return supervision.start(version, async () => {
      const compiled = await configs.find(version.digest)
      const config = compiled ?? (await configs.compile(appConfig(await load())))
      const live = await bootApp(this.#options, version.app, config, code, stateDir)
      void live.process.exited.then(() => this.#forgetSleeper(version))
      return live
    })
  }

  #versions(): Version[] {
    return [...this.#deployments.values()].flatMap((versions) => [...versions.values()])
  }
}

const sameEnv = (a: Pick<App, 'env'>, b: Pick<App, 'env'>) =>
  environmentNames(a).length === environmentNames(b).length &&
  environmentNames(a).every(([name]) => a.env[name] === b.env[name])

const usable = (live: LiveApp | undefined) =>
  live && !live.ending && !live.process.dead ? live : undefined
