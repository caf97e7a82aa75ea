import type { ErrorCode } from '@jackcloud/sdk/wire'
import { JackError } from '../../Errors.ts'
import type {
  App,
  AppName,
  Lease,
  RunningApp,
  ScheduledEvent,
  ScheduledOutcome,
} from '../Engine.ts'
import {
  type BootOptions,
  bootApp,
  checkEnvironment,
  type HostedApp,
  type LiveApp,
} from './boot.ts'
import { ownMemoryBytes } from './clock.ts'
import { appConfig, environmentNames } from './config.ts'
import type { Configs } from './configs.ts'
import { outOfMemory } from './output.ts'
import { callScheduled } from './scheduled.ts'
import { startFailure } from './startFailure.ts'
import type { Watchdog } from './watchdog.ts'

export interface AppsOptions extends BootOptions {
  configs: Configs
  watchdog: Watchdog
  idleMs: number
  maxLive: number
}

/** One revision of one deployment. Keeps what a start needs but the modules: those are in the compiled config. */
interface Version {
  app: HostedApp
  digest: string
  /** Grows: the highest of a deployment is its current one. */
  order: number
  live?: LiveApp
  starting?: Promise<LiveApp>
  /** Kills and failed starts in a row, and when the next start is allowed. */
  strikes: number
  retryAt: number
}

const METER_MS = 250
const STUCK_MS = 25
const DRAIN_MS = 30_000
/** The longest that a start waits for room. */
const ROOM_MS = 5000
/** Between asking a process to end and ending it: for what the app does after its last response. */
const GRACE_MS = 2000

/** Hosts apps: one process for each version that somebody asks for. */
export class Apps {
  readonly #options: AppsOptions
  readonly #deployments = new Map<string, Map<string, Version>>()
  readonly #draining = new Set<{ version: Version; live: LiveApp }>()
  readonly #meter: NodeJS.Timeout
  /** Processes that are being started and belong to no version yet. */
  #starting = 0
  #order = 0
  #closed = false

  constructor(options: AppsOptions) {
    this.#options = options
    this.#meter = setInterval(() => this.#tick(), METER_MS)
    this.#meter.unref()
  }

  /** Compiles and starts a version; it stays up for the first request. */
  async put(app: App): Promise<void> {
    const version = await this.#prepare(app, 'deploy_failed')
    const known = this.#find(app)
    if (known?.live && known.digest === version.digest && sameEnv(known.app, app)) return
    const live = await this.#start(version, async () => app, 'deploy_failed')
    this.#adopt(version, live)
  }

  async open(name: AppName, load: () => Promise<App>): Promise<Lease> {
    const { version, live } = await this.#reach(name, load)
    return this.#lease(version, live)
  }

  async scheduled(
    name: AppName,
    load: () => Promise<App>,
    event: ScheduledEvent,
    signal?: AbortSignal,
  ): Promise<ScheduledOutcome> {
    const { version, live } = await this.#reach(name, load)
    const lease = this.#lease(version, live)
    try {
      return await callScheduled(live.process.socket('control'), event, signal)
    } finally {
      lease.release()
    }
  }

  async #reach(
    name: AppName,
    load: () => Promise<App>,
  ): Promise<{ version: Version; live: LiveApp }> {
    if (this.#closed)
      throw new JackError('unavailable', 'This server is shutting down', { retryAfterSeconds: 5 })
    const leaving = this.#find(name) ? undefined : this.#leaving(name)
    // A caller that has not heard of the new revision yet: the old one still answers, and is not started again.
    if (leaving) return leaving
    const version = this.#find(name) ?? (await this.#loadOnce(name, load))
    const live = usable(version.live) ?? (await this.#wake(version, load))
    return { version, live }
  }

  async remove(deploymentId: string): Promise<void> {
    const versions = [...(this.#deployments.get(deploymentId)?.values() ?? [])]
    this.#deployments.delete(deploymentId)
    await Promise.all(
      versions.map(async (version) => {
        const live = version.live ?? (await version.starting?.catch(() => undefined))
        if (live) await this.#drain(version, live, DRAIN_MS)
        if (!this.#uses(version.digest)) await this.#options.configs.remove(version.digest)
      }),
    )
  }

  running(): RunningApp[] {
    return [...this.#live(), ...this.#draining].map(({ version, live }) => ({
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
    const starting = this.#versions().map((version) => version.starting?.catch(() => undefined))
    await Promise.all(starting)
    await Promise.all(
      [...this.#live(), ...this.#draining].map(({ version, live }) =>
        this.#drain(version, live, graceMs),
      ),
    )
    clearInterval(this.#meter)
  }

  #find(name: AppName): Version | undefined {
    return this.#deployments.get(name.deploymentId)?.get(name.revision)
  }

  #leaving(name: AppName): { version: Version; live: LiveApp } | undefined {
    return [...this.#draining].find(
      ({ version: { app }, live }) =>
        app.deploymentId === name.deploymentId &&
        app.revision === name.revision &&
        !live.expected &&
        !live.process.dead,
    )
  }

  readonly #loading = new Map<string, Promise<Version>>()

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
      throw startFailure(code, String((error as { stderr?: unknown }).stderr ?? error))
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

  /** A version that was just put takes over from whatever the deployment ran before. */
  #adopt(version: Version, live: LiveApp): void {
    const before = this.#find(version.app)
    this.#keep(version)
    version.live = live
    if (before?.live) void this.#drain(before, before.live, DRAIN_MS)
    else
      void before?.starting
        ?.then((started) => this.#drain(before, started, DRAIN_MS))
        .catch(() => {})
    this.#retireOlder(version)
  }

  /** Starts once for many callers. */
  #wake(version: Version, load: () => Promise<App>): Promise<LiveApp> {
    const wait = version.retryAt - this.#options.now()
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
      const live = await this.#start(version, load, 'app_failed')
      version.live = live
      this.#retireOlder(version)
      return live
    } catch (error) {
      if (error instanceof JackError && error.code === 'app_failed') this.#strike(version)
      throw error
    }
  }

  #retireOlder(current: Version): void {
    const versions = this.#deployments.get(current.app.deploymentId)
    for (const [revision, version] of versions ?? []) {
      if (version.order >= current.order) continue
      versions?.delete(revision)
      if (version.live) void this.#drain(version, version.live, DRAIN_MS)
      else
        void version.starting?.then((live) => this.#drain(version, live, DRAIN_MS)).catch(() => {})
    }
  }

  async #start(version: Version, load: () => Promise<App>, code: ErrorCode): Promise<LiveApp> {
    await this.#takeRoom()
    try {
      const { configs } = this.#options
      const compiled = await configs.find(version.digest)
      const config = compiled ?? (await configs.compile(appConfig(await load())))
      const live = await bootApp(this.#options, version.app, config, code)
      void live.process.exited.then(() => this.#ended(version, live))
      // A first connection of its own costs the first request nothing; and it shows that the app answers at all.
      void this.#ping(version, live)
      return live
    } finally {
      this.#starting--
    }
  }

  #lease(version: Version, live: LiveApp): Lease {
    live.leases++
    live.guard ??= this.#options.watchdog.guard({
      pid: live.process.pid,
      memoryMb: memoryCapMb(version),
    })
    let released = false
    return {
      dispatcher: live.requests,
      origin: 'http://app',
      headers: {},
      release: () => {
        if (released) return
        released = true
        live.leases--
        live.idleSince = this.#options.now()
        if (live.leases > 0) return
        this.#bill(version, live)
        this.#unguard(version, live)
      },
    }
  }

  /** Stops the fast look at an idle app's memory; says so if it had to kill. */
  #unguard(version: Version, live: LiveApp): void {
    const fired = live.guard?.end()
    live.guard = undefined
    if (fired && !live.expected) this.#killed(version, live, 'memory', 'It used too much memory')
  }

  /** Every quarter of a second: bill, look for what is stuck or too large, put to sleep what nobody asks for. */
  #tick(): void {
    for (const { version, live } of [...this.#live(), ...this.#draining]) {
      if (live.process.dead) continue
      this.#bill(version, live)
      const cpuNs = live.billedNs
      const at = performance.now()
      const used = Number(cpuNs - live.ticked.cpuNs) / 1e6
      // Without a clock of processes nobody knows, so everybody is asked.
      const busy = cpuNs < 0n || used > (at - live.ticked.at) / 2
      live.ticked = { cpuNs, at }
      if (busy && live.pingedNs === undefined) void this.#ping(version, live)
      if (ownMemoryBytes(live.process.pid) > memoryCapMb(version) * 1048576)
        this.#kill(version, live, 'memory', 'It used too much memory')
      else if (
        live.leases === 0 &&
        live.ending === undefined &&
        (!busy || cpuNs < 0n) &&
        this.#options.now() - live.idleSince > this.#options.idleMs
      )
        void this.#drain(version, live, DRAIN_MS)
    }
  }

  /** Bills the CPU since the last time. */
  #bill(version: Version, live: LiveApp): void {
    const now = this.#options.clock.cpuNs(live.process.pid)
    if (now <= live.billedNs) return
    const cpuMs = Number(now - live.billedNs) / 1e6
    live.billedNs = now
    const { deploymentId, revision, projectId } = version.app
    this.#options.events.cpu({ deploymentId, revision, projectId, cpuMs })
  }

  /**
   * Asks a socket beside the app's for an answer. The process has one thread: as long as it answers, no request is
   * stuck in a loop. It is killed for the CPU that it burns while it does not answer, so a slow machine kills nobody.
   */
  async #ping(version: Version, live: LiveApp): Promise<void> {
    const start = this.#options.clock.cpuNs(live.process.pid)
    live.pingedNs = start
    const startedAt = performance.now()
    const usedMs = () =>
      start < 0n
        ? performance.now() - startedAt
        : Number(this.#options.clock.cpuNs(live.process.pid) - start) / 1e6
    const timer = setInterval(() => {
      if (usedMs() > version.app.limits.requestCpuMs)
        this.#kill(
          version,
          live,
          'cpu',
          `It ran for ${version.app.limits.requestCpuMs} ms without a pause`,
        )
    }, STUCK_MS)
    try {
      const response = await live.control.request({ path: '/', method: 'GET' })
      await response.body.dump()
    } catch {
      // The process ended; its exit tells.
    } finally {
      clearInterval(timer)
      live.pingedNs = undefined
    }
  }

  #kill(version: Version, live: LiveApp, reason: 'cpu' | 'memory', detail: string): void {
    if (live.expected || live.process.dead) return
    this.#bill(version, live)
    this.#killed(version, live, reason, detail)
    live.process.kill()
  }

  #killed(
    version: Version,
    live: LiveApp,
    reason: 'cpu' | 'memory' | 'crash',
    detail: string,
  ): void {
    live.expected = true
    if (version.live === live) delete version.live
    this.#strike(version)
    const { deploymentId, revision, projectId } = version.app
    this.#options.events.killed({ deploymentId, revision, projectId, reason, detail })
  }

  /** The first restart is free; after that each waits twice as long, up to a minute. */
  #strike(version: Version): void {
    version.strikes++
    const wait = version.strikes < 2 ? 0 : Math.min(60_000, 500 * 2 ** (version.strikes - 2))
    version.retryAt = this.#options.now() + wait
    setTimeout(() => {
      version.strikes = Math.max(0, version.strikes - 1)
    }, 60_000).unref()
  }

  #ended(version: Version, live: LiveApp): void {
    this.#unguard(version, live)
    if (version.live === live) delete version.live
    void live.requests.destroy().catch(() => {})
    void live.control.destroy().catch(() => {})
    if (live.expected) return
    const memory = outOfMemory.test(live.process.errors())
    this.#killed(
      version,
      live,
      memory ? 'memory' : 'crash',
      memory ? 'It used too much memory' : lastLine(live.process.errors()),
    )
  }

  /** Takes no more requests, lets those that run finish, asks it to end, and ends it. */
  #drain(version: Version, live: LiveApp, graceMs: number): Promise<void> {
    if (version.live === live) delete version.live
    live.ending ??= (async () => {
      const entry = { version, live }
      this.#draining.add(entry)
      try {
        const until = performance.now() + graceMs
        while (live.leases > 0 && !live.process.dead && performance.now() < until) await pause(10)
        this.#bill(version, live)
        live.expected = true
        if (live.leases === 0) {
          await Promise.all([
            live.requests.destroy().catch(() => {}),
            live.control.destroy().catch(() => {}),
          ])
          live.process.kill('SIGTERM')
          await Promise.race([live.process.exited, pause(Math.min(GRACE_MS, graceMs))])
          this.#bill(version, live)
        }
        live.process.kill()
        await live.process.exited
      } finally {
        this.#draining.delete(entry)
      }
    })()
    return live.ending
  }

  /**
   * Counts one more as starting. When there are as many as fit, it puts the app to sleep that nobody asked for longest,
   * or waits for one that is being started: that one may sleep soon.
   */
  async #takeRoom(): Promise<void> {
    for (const until = performance.now() + ROOM_MS; ; await pause(20)) {
      const live = this.#live()
      const { maxLive } = this.#options
      const fits = live.length + this.#starting + this.#draining.size < maxLive
      const idle = live
        .filter((entry) => entry.live.leases === 0)
        .sort((a, b) => a.live.idleSince - b.live.idleSince)[0]
      if (fits || idle) {
        this.#starting++
        if (!fits && idle) void this.#drain(idle.version, idle.live, DRAIN_MS)
        return
      }
      if (this.#starting > 0 && performance.now() < until) continue
      if (live.length + this.#starting >= maxLive)
        throw new JackError('unavailable', 'This server runs as many apps as it can', {
          retryAfterSeconds: 1,
        })
      this.#starting++
      return
    }
  }

  #versions(): Version[] {
    return [...this.#deployments.values()].flatMap((versions) => [...versions.values()])
  }

  #live(): { version: Version; live: LiveApp }[] {
    return this.#versions().flatMap((version) =>
      version.live ? [{ version, live: version.live }] : [],
    )
  }

  #uses(digest: string): boolean {
    return this.#versions().some((version) => version.digest === digest)
  }
}

const sameEnv = (a: Pick<App, 'env'>, b: Pick<App, 'env'>) =>
  environmentNames(a).length === environmentNames(b).length &&
  environmentNames(a).every(([name]) => a.env[name] === b.env[name])

const usable = (live: LiveApp | undefined) =>
  live && !live.ending && !live.process.dead ? live : undefined

/** Heap, and as much again for buffers, WebAssembly and the runtime itself. */
const memoryCapMb = (version: Version) => version.app.limits.memoryMb * 2 + 64

const lastLine = (text: string) => text.trim().split('\n').at(-1)?.slice(0, 500) || 'It ended'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
