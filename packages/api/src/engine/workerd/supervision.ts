import { JackError } from '../../Errors.ts'
import type { App, KillReason, Lease } from '../Engine.ts'
import type { BootOptions, HostedApp, LiveApp } from './boot.ts'
import { ownMemoryBytes } from './clock.ts'
import { outOfMemory } from './output.ts'
import type { Watchdog } from './watchdog.ts'

export interface SupervisionOptions extends Pick<BootOptions, 'clock' | 'events'> {
  watchdog: Watchdog
  /** After this long without a request an app's process ends. */
  idleMs: number
  /** How many apps run at once. */
  maxLive: number
  /** Whether memory is so short that idle apps should sleep at once. */
  memoryIsShort: () => boolean
  /** Asked before an app that keeps data goes to sleep: false when it is about to have something to do. */
  maySleep: (version: Version) => Promise<boolean>
}

/** One revision of one deployment. Keeps what a start needs but the modules: those are in the compiled config. */
export interface Version {
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

export interface Running {
  version: Version
  live: LiveApp
}

const METER_MS = 250
const STUCK_MS = 25
/** How long requests may take to finish when their version is replaced. */
export const DRAIN_MS = 30_000
/** The longest that a start waits for room. */
const ROOM_MS = 5000
/** Between asking a process to end and ending it: for what the app does after its last response. */
const GRACE_MS = 2000
/** The same when somebody waits for its data, and sockets would stay open for ever. */
const HAND_OVER_GRACE_MS = 200
/** How many idle apps are put to sleep at once when memory is short. */
const RELIEF = 4

/**
 * Looks after processes of apps: leases, CPU, memory, runaways, sleep and end. It measures time by `performance.now()`,
 * which does not jump.
 */
export class Supervision {
  /** Every process that has not ended, also those that take no more requests. */
  readonly running = new Set<Running>()
  readonly #options: SupervisionOptions
  readonly #meter: NodeJS.Timeout
  /** Processes that are being started. */
  #starting = 0

  constructor(options: SupervisionOptions) {
    this.#options = options
    this.#meter = setInterval(() => this.#tick(), METER_MS)
    this.#meter.unref()
  }

  /** Takes a process into care; `version.live` is the caller's to set. */
  admit(version: Version, live: LiveApp): void {
    const entry = { version, live }
    this.running.add(entry)
    void live.process.exited.then(() => {
      this.running.delete(entry)
      this.#ended(version, live)
    })
    // A first connection of its own costs the first request nothing; and it shows that the app answers at all.
    void this.#ping(version, live)
  }

  /** Starts a process when there is room. Throws `unavailable` when there is none for long. */
  async start(version: Version, boot: () => Promise<LiveApp>): Promise<LiveApp> {
    await this.#takeRoom()
    try {
      const live = await boot()
      this.admit(version, live)
      return live
    } finally {
      this.#starting--
    }
  }

  lease(version: Version, live: LiveApp): Lease {
    live.leases++
    live.guard ??= this.#options.watchdog.guard({
      pid: live.process.pid,
      memoryMb: memoryCapMb(version),
    })
    let detached = 0
    let released = false
    return {
      dispatcher: live.requests,
      origin: 'http://app',
      headers: {},
      detach: () => {
        if (released || detached === 1) return
        detached = 1
        live.detached++
      },
      release: () => {
        if (released) return
        released = true
        live.leases--
        live.detached -= detached
        live.idleSince = performance.now()
        if (live.leases > 0) return
        this.#bill(version, live)
        this.#unguard(version, live)
      },
    }
  }

  /**
   * Takes no more requests, lets those that run finish, asks the process to end, and ends it.
   *
   * @param handOver somebody waits for its data: sockets are cut off when the last request is over
   */
  drain({ version, live }: Running, { graceMs = DRAIN_MS, handOver = false } = {}): Promise<void> {
    if (version.live === live) delete version.live
    if (handOver) live.handOver = true
    live.ending ??= (async () => {
      const until = performance.now() + graceMs
      const busy = () => live.leases - (live.handOver ? live.detached : 0) > 0
      while (busy() && !live.process.dead && performance.now() < until) await pause(10)
      this.#bill(version, live)
      await this.#countRows(version, live)
      live.expected = true
      if (!busy()) {
        await Promise.all([
          live.requests.destroy().catch(() => {}),
          live.control.destroy().catch(() => {}),
        ])
        live.process.kill('SIGTERM')
        const grace = live.handOver ? HAND_OVER_GRACE_MS : GRACE_MS
        await Promise.race([live.process.exited, pause(Math.min(grace, graceMs))])
        this.#bill(version, live)
      }
      live.process.kill()
      await live.process.exited
    })()
    return live.ending
  }

  /** The first restart is free; after that each waits twice as long, up to a minute. */
  strike(version: Version): void {
    version.strikes++
    const wait = version.strikes < 2 ? 0 : Math.min(60_000, 500 * 2 ** (version.strikes - 2))
    version.retryAt = performance.now() + wait
    setTimeout(() => {
      version.strikes = Math.max(0, version.strikes - 1)
    }, 60_000).unref()
  }

  async close(graceMs: number): Promise<void> {
    await Promise.all([...this.running].map((entry) => this.drain(entry, { graceMs })))
    clearInterval(this.#meter)
  }

  /**
   * Counts one more as starting. When there are as many as fit, it puts the app to sleep that nobody asked for longest,
   * or waits for one that is being started: that one may sleep soon.
   */
  async #takeRoom(): Promise<void> {
    for (const until = performance.now() + ROOM_MS; ; await pause(20)) {
      const { maxLive } = this.#options
      const fits = this.running.size + this.#starting < maxLive
      const idle = fits ? undefined : this.#idle()[0]
      if (fits || idle) {
        this.#starting++
        if (idle) void this.drain(idle)
        return
      }
      if (this.#starting > 0 && performance.now() < until) continue
      const awake = [...this.running].filter(({ live }) => live.ending === undefined)
      if (awake.length + this.#starting >= maxLive)
        throw new JackError('unavailable', 'This server runs as many apps as it can', {
          retryAfterSeconds: 1,
        })
      this.#starting++
      return
    }
  }

  /** Apps that nobody asks for, the one that was asked for longest ago first. */
  #idle(): Running[] {
    return [...this.running]
      .filter(({ live }) => live.leases === 0 && live.ending === undefined)
      .sort((a, b) => a.live.idleSince - b.live.idleSince)
  }

  /** Every quarter of a second: bill, look for what is stuck or too large, put to sleep what nobody asks for. */
  #tick(): void {
    for (const entry of this.running) {
      const { version, live } = entry
      if (live.process.dead) continue
      this.#bill(version, live)
      const cpuNs = live.billedNs
      const at = performance.now()
      const used = Number(cpuNs - live.ticked.cpuNs) / 1e6
      // Without a clock of processes nobody knows, so everybody is asked.
      const busy = cpuNs < 0n || used > (at - live.ticked.at) / 2
      if (used > 0 || cpuNs < 0n) void this.#countRows(version, live)
      live.ticked = { cpuNs, at }
      if (busy && live.pingedNs === undefined) void this.#ping(version, live)
      if (ownMemoryBytes(live.process.pid) > memoryCapMb(version) * 1048576)
        this.kill(entry, 'memory', 'It used too much memory')
      else if (
        live.leases === 0 &&
        live.ending === undefined &&
        (!busy || cpuNs < 0n) &&
        performance.now() - live.idleSince > this.#options.idleMs
      )
        void this.#sleep(entry)
    }
    if (this.#options.memoryIsShort())
      for (const entry of this.#idle().slice(0, RELIEF)) void this.drain(entry)
  }

  async #sleep(entry: Running): Promise<void> {
    const { version, live } = entry
    if (live.fallingAsleep) return
    live.fallingAsleep = true
    const may = await this.#options.maySleep(version).catch(() => true)
    live.fallingAsleep = false
    if (!may) live.idleSince = performance.now()
    else if (live.leases === 0 && live.ending === undefined) await this.drain(entry)
  }

  /** Bills the CPU since the last time. */
  #bill(version: Version, live: LiveApp): void {
    const now = this.#options.clock.cpuNs(live.process.pid)
    if (now <= live.billedNs) return
    const cpuMs = Number(now - live.billedNs) / 1e6
    live.billedNs = now
    this.#options.events.cpu({ ...about(version), cpuMs })
  }

  /** Reports rows that its databases read and wrote since the last time. */
  async #countRows(version: Version, live: LiveApp): Promise<void> {
    if (!live.databases || live.countingRows) return
    live.countingRows = true
    try {
      const { body } = await live.databases.request({
        path: '/rows',
        method: 'GET',
        signal: AbortSignal.timeout(1000),
      })
      const { read, written } = (await body.json()) as { read: number; written: number }
      if (read > 0 || written > 0) this.#options.events.rows({ ...about(version), read, written })
    } catch {
      // It ended, or is stuck: then somebody else sees to it.
    } finally {
      live.countingRows = false
    }
  }

  /**
   * Asks a socket beside the app's for an answer. The process has one thread: as long as it answers, no request is
   * stuck in a loop. It is killed for the CPU that it burns while it does not answer, so a slow machine kills nobody.
   */
  async #ping(version: Version, live: LiveApp): Promise<void> {
    const start = this.#options.clock.cpuNs(live.process.pid)
    live.pingedNs = start
    const workedMs = () => performance.now() - live.process.waitedMs()
    const startedAt = workedMs()
    const usedMs = () =>
      start < 0n
        ? workedMs() - startedAt
        : Number(this.#options.clock.cpuNs(live.process.pid) - start) / 1e6
    const timer = setInterval(() => {
      if (usedMs() > version.app.limits.requestCpuMs)
        this.kill(
          { version, live },
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

  /** Ends a process at once, for a reason that its owner is told. */
  kill({ version, live }: Running, reason: KillReason, detail: string): void {
    if (live.expected || live.process.dead) return
    this.#bill(version, live)
    this.#killed(version, live, reason, detail)
    live.process.kill()
  }

  #killed(version: Version, live: LiveApp, reason: KillReason, detail: string): void {
    live.expected = true
    if (version.live === live) delete version.live
    this.strike(version)
    const memoryBytes = ownMemoryBytes(live.process.pid)
    this.#options.events.killed({
      ...about(version),
      reason,
      detail,
      cpuMs: Number(live.billedNs) / 1e6,
      ...(memoryBytes > 0 && { memoryBytes }),
    })
  }

  /** Stops the fast look at an idle app's memory; says so if it had to kill. */
  #unguard(version: Version, live: LiveApp): void {
    const fired = live.guard?.end()
    live.guard = undefined
    if (fired && !live.expected) this.#killed(version, live, 'memory', 'It used too much memory')
  }

  #ended(version: Version, live: LiveApp): void {
    this.#unguard(version, live)
    if (version.live === live) delete version.live
    for (const client of [live.requests, live.control, live.databases])
      void client?.destroy().catch(() => {})
    if (live.expected) return
    const memory = outOfMemory.test(live.process.errors())
    this.#killed(
      version,
      live,
      memory ? 'memory' : 'crash',
      memory ? 'It used too much memory' : lastLine(live.process.errors()),
    )
  }
}

const about = ({ app: { deploymentId, revision, projectId } }: Version) => ({
  deploymentId,
  revision,
  projectId,
})

/** Heap, and as much again for buffers, WebAssembly and the runtime itself. */
const memoryCapMb = ({ app }: { app: Pick<App, 'limits'> }) => app.limits.memoryMb * 2 + 64

const lastLine = (text: string) => text.trim().split('\n').at(-1)?.slice(0, 500) || 'It ended'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
