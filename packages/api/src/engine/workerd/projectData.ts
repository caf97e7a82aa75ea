import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { limits } from '@jackcloud/sdk/wire'
import { JackError } from '../../Errors.ts'
import type { Data, Query, Rows } from '../Engine.ts'
import { nextAlarm } from './alarms.ts'
import { type BootOptions, bootApp, type HostedApp, type LiveApp } from './boot.ts'
import { databasesConfig } from './config.ts'
import type { Configs } from './configs.ts'
import type { StateDirs } from './stateDirs.ts'
import type { Running, Supervision, Version } from './supervision.ts'
import { Turns } from './turns.ts'

export interface ProjectDataOptions extends BootOptions {
  configs: Configs
  supervision: Supervision
  dirs: StateDirs
  /** Called when an alarm of a sleeping project is due. */
  wake: (projectId: string) => void
}

/** How long the requests of the version before may take when another one waits for the data. */
const HAND_OVER_MS = 10_000
/** An alarm that is later than this is worth going to sleep for. */
const SOON_MS = 2_000
/** Timers count at most 2^31 ms. */
const MAX_TIMER_MS = 2_000_000_000
const SIZE_MS = 5_000

/** What projects keep: which process has it open, and when it has something to do by itself. */
export class ProjectData implements Data {
  readonly turns = new Turns()
  readonly #options: ProjectDataOptions
  /** What must not happen at once: opens of one project's data, and queries of it. */
  readonly #inTurn = new Map<string, Promise<unknown>>()
  /** Whoever is late with a project that was deleted must not make it anew. */
  readonly #removed = new Set<string>()
  readonly #alarms = new Map<string, NodeJS.Timeout>()
  #sizes: NodeJS.Timeout
  #closed = false

  constructor(options: ProjectDataOptions) {
    this.#options = options
    this.#sizes = this.#checkSizesIn(SIZE_MS)
  }

  /** Sets the alarms of all projects that sleep, those of a predecessor too. */
  async start(): Promise<void> {
    for (const projectId of await this.#options.dirs.list())
      if (!this.inUse(projectId)) await this.#setAlarm(projectId)
  }

  /** Starts a process on a project's data, when whatever else had it open has ended. */
  async use(app: HostedApp, start: (dir: string) => Promise<LiveApp>): Promise<LiveApp> {
    const { projectId } = app
    return this.#one(projectId, async () => {
      this.#requireThere(projectId)
      await this.#endOthers(projectId)
      await this.#requireRoom(projectId)
      clearTimeout(this.#alarms.get(projectId))
      const databases = app.bindings.flatMap((it) => (it.type === 'd1' ? [it.database] : []))
      this.#options.dirs.note(projectId, databases)
      const live = await start(this.#options.dirs.path(projectId))
      void live.process.exited.then(() => {
        if (!this.inUse(projectId)) void this.#setAlarm(projectId)
      })
      return live
    })
  }

  /** Starts a process once on data that is thrown away, and ends it. */
  async tryOut(start: (dir: string) => Promise<LiveApp>): Promise<void> {
    const dir = this.#options.dirs.trial(randomUUID().replaceAll('-', ''))
    try {
      const live = await start(dir)
      live.expected = true
      live.process.kill()
      await live.process.exited
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }

  /** Whether a process has the project's data open. */
  inUse(projectId: string): boolean {
    return this.#users(projectId).length > 0
  }

  /** False when an alarm is due so soon, or runs, that its process had better stay. */
  async maySleep({ app }: Version): Promise<boolean> {
    if (!app.bindings.some((it) => it.type === 'durable_object' || it.type === 'queue')) return true
    const due = await nextAlarm(this.#options.dirs.path(app.projectId))
    return due === undefined || due.getTime() > this.#options.now() + SOON_MS
  }

  /** Runs statements in one transaction. Throws `invalid_request` with what the database says. */
  async query(projectId: string, database: string, queries: Query[]): Promise<Rows[]> {
    // One after the other, so that each has only the room that those before it left.
    return this.#one(`queries of ${projectId}`, async () => {
      const { dataBytes } = limits.hosting
      const roomBytes = dataBytes - (await this.#options.dirs.sizeBytes(projectId, dataBytes))
      const question = { database, queries, roomBytes }
      const { results } = (await this.#ask(projectId, '/query', question)) as { results: Rows[] }
      return results
    })
  }

  /** A database as SQL statements. */
  async dump(projectId: string, database: string): Promise<string> {
    return (await this.#ask(projectId, '/dump', { database })) as string
  }

  async databases(projectId: string): Promise<string[]> {
    return this.#options.dirs.databases(projectId)
  }

  async sizeBytes(projectId: string): Promise<number> {
    return this.#options.dirs.sizeBytes(projectId)
  }

  list(): Promise<string[]> {
    return this.#options.dirs.list()
  }

  async copy(projectId: string, to: string): Promise<void> {
    await this.#one(projectId, async () => {
      const frozen = await Promise.all(
        this.#users(projectId).map(({ live }) => live.process.freeze()),
      )
      try {
        await this.#options.dirs.copy(projectId, to)
      } finally {
        for (const goOn of frozen) goOn()
      }
    })
  }

  async remove(projectId: string): Promise<void> {
    this.#removed.add(projectId)
    await this.#one(projectId, async () => {
      await this.#endOthers(projectId)
      clearTimeout(this.#alarms.get(projectId))
      this.#alarms.delete(projectId)
      this.turns.forget(projectId)
      await this.#options.dirs.remove(projectId)
    })
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#sizes)
    for (const timer of this.#alarms.values()) clearTimeout(timer)
  }

  #users(projectId: string): Running[] {
    const dir = this.#options.dirs.path(projectId)
    return [...this.#options.supervision.running].filter(({ live }) => live.stateDir === dir)
  }

  async #endOthers(projectId: string): Promise<void> {
    const { supervision } = this.#options
    await Promise.all(
      this.#users(projectId).map((entry) =>
        supervision.drain(entry, { graceMs: HAND_OVER_MS, handOver: true }),
      ),
    )
  }

  #one<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#inTurn.get(name) ?? Promise.resolve()
    const now = before.then(work, work)
    this.#inTurn.set(name, now)
    const forget = () => {
      if (this.#inTurn.get(name) === now) this.#inTurn.delete(name)
    }
    void now.then(forget, forget)
    return now
  }

  async #ask(
    projectId: string,
    path: string,
    question: { database: string; queries?: Query[]; roomBytes?: number },
  ): Promise<unknown> {
    this.#requireThere(projectId)
    this.#options.dirs.note(projectId, [question.database])
    const { version, live } = await this.#withDatabases(projectId)
    const lease = this.#options.supervision.lease(version, live)
    try {
      const { statusCode, body } = await (
        live.databases as NonNullable<typeof live.databases>
      ).request({ path, method: 'POST', body: JSON.stringify(question) })
      if (statusCode === 200) return path === '/dump' ? await body.text() : await body.json()
      const { error } = (await body.json()) as { error: string }
      throw new JackError('invalid_request', error, {
        hint: 'Nothing was changed: all statements of one call succeed, or none does.',
      })
    } catch (error) {
      if (error instanceof JackError) throw error
      throw new JackError('app_failed', 'The database did not answer.', {
        hint: 'A statement may have run for too long, or the project was being replaced: try again.',
        cause: error,
      })
    } finally {
      lease.release()
    }
  }

  /** The process that has the project's databases open: its app if that has any, else one of ours. */
  async #withDatabases(projectId: string): Promise<Running> {
    const found = () =>
      this.#users(projectId).find(
        ({ live }) => live.databases && !live.ending && !live.expected && !live.process.dead,
      )
    return (
      found() ??
      this.#one(projectId, async () => {
        const meanwhile = found()
        if (meanwhile) return meanwhile
        this.#requireThere(projectId)
        await this.#endOthers(projectId)
        const { configs, supervision, dirs } = this.#options
        const config = databasesConfig(limits.hosting.memoryMb)
        const app = keeper(projectId)
        const version = { app, digest: configs.digest(config), order: 0, strikes: 0, retryAt: 0 }
        const compiled = await configs.compile(config)
        const live = await supervision.start(version, () =>
          bootApp(this.#options, app, compiled, 'app_failed', dirs.path(projectId)),
        )
        return { version, live }
      })
    )
  }

  async #setAlarm(projectId: string): Promise<void> {
    clearTimeout(this.#alarms.get(projectId))
    const due = await nextAlarm(this.#options.dirs.path(projectId))
    if (!due || this.#closed || this.inUse(projectId)) return
    const wait = Math.max(0, due.getTime() - this.#options.now())
    const timer = setTimeout(
      () => {
        this.#alarms.delete(projectId)
        if (wait > MAX_TIMER_MS) void this.#setAlarm(projectId)
        else this.#options.wake(projectId)
      },
      Math.min(wait, MAX_TIMER_MS),
    )
    timer.unref()
    this.#alarms.set(projectId, timer)
  }

  #requireThere(projectId: string): void {
    if (this.#removed.has(projectId))
      throw new JackError('not_found', 'This project does not exist any more.')
  }

  async #requireRoom(projectId: string): Promise<void> {
    const sizeBytes = await this.#options.dirs.sizeBytes(projectId)
    if (sizeBytes <= MOST_BYTES) return
    throw new JackError(
      'app_failed',
      `The project keeps ${Math.ceil(sizeBytes / 1_048_576)} MB of data; ${limits.hosting.dataBytes / 1_048_576} MB are allowed.`,
      { hint: 'Delete data with `jack db exec`, or ask the operator for a higher limit.' },
    )
  }

  #checkSizesIn(ms: number): NodeJS.Timeout {
    return setTimeout(async () => {
      const began = performance.now()
      // Whatever comes in between, it looks again.
      await this.#checkSizes().catch(() => {})
      // Looking through very many files must not be all that is done.
      if (!this.#closed)
        this.#sizes = this.#checkSizesIn(Math.max(SIZE_MS, 10 * (performance.now() - began)))
    }, ms).unref()
  }

  /** Ends apps that write more than a project may keep. */
  async #checkSizes(): Promise<void> {
    for (const { version, live } of this.#options.supervision.running) {
      if (!live.stateDir || live.expected) continue
      const sizeBytes = await this.#options.dirs.sizeBytes(version.app.projectId, MOST_BYTES)
      if (sizeBytes > MOST_BYTES)
        this.#options.supervision.kill({ version, live }, 'storage', 'It keeps too much data')
    }
  }
}

/** So that a project at its limit can still be opened to delete something. */
const MOST_BYTES = limits.hosting.dataBytes + 16 * 1_048_576

/** Stands in for an app while only the project's databases are asked for. */
const keeper = (projectId: string): HostedApp => ({
  deploymentId: `databases-${projectId}`,
  revision: '0',
  projectId,
  accountId: '',
  main: '',
  compatibilityDate: '2026-05-01',
  compatibilityFlags: [],
  env: {},
  bindings: [{ type: 'd1', name: 'DB', database: 'main' }],
  queueConsumers: [],
  limits: { memoryMb: limits.hosting.memoryMb, requestCpuMs: limits.hosting.requestCpuMs },
  egress: [],
})
