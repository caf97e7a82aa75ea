import type { Binding, QueueConsumer } from '@jackcloud/sdk/wire'
import type { Dispatcher } from 'undici'

/**
 * Isolates: runs a program once, and hosts versions of apps.
 *
 * Two tenants fit behind it: workerd on this machine (`workerd/`) and Cloudflare's Workers for Platforms.
 * An app's version is immutable and named by its deployment, so "deploy" is `put` under a new name, and moving
 * traffic is the caller's business: it opens another name. `engine.contract.ts` is what every tenant must pass.
 */
export interface Engine {
  /** How strongly programs are walled in. Known after `start`. */
  readonly sandbox: SandboxReport

  /** Makes ready: warms the pool, removes what a crashed predecessor left running. */
  start(): Promise<void>

  /**
   * Runs a program once in a fresh isolate without network or secrets.
   * Resolves with what happened, also when the program threw or hit a limit.
   * Throws `rate_limited` when the queue is full, `unavailable` when the engine is closing.
   */
  execute(execution: Execution): Promise<Outcome>

  /** Stores a version and starts it once to see that it does. Throws `deploy_failed` with its output. */
  put(app: App): Promise<void>

  /**
   * A version that is running now: started when it sleeps, started once for many waiting callers.
   * `load` is called only when the engine does not hold this revision. The caller releases the lease when the
   * response (or socket) is over. Throws `app_failed` when it does not start, and `Moved` when it keeps data and
   * another version of its project got the turn: then look again where traffic goes.
   */
  open(name: AppName, load: () => Promise<App>): Promise<Lease>

  /**
   * Calls a version's `scheduled` handler, waking it when it sleeps. Resolves when the handler and all that it waits for
   * is over, also when it threw. Throws `app_failed` when it does not start or ends meanwhile, and `signal`'s reason.
   */
  scheduled(
    name: AppName,
    load: () => Promise<App>,
    event: ScheduledEvent,
    signal?: AbortSignal,
  ): Promise<ScheduledOutcome>

  /**
   * Gives a version the turn among those of its project that keep data; callers of `open` for another one wait until
   * it is decided. Without data nobody waits. The process of the version before ends when this one is opened.
   */
  take(projectId: string, deploymentId: string): Promise<Turn>

  /** Forgets a version and ends its process after its requests. */
  remove(deploymentId: string): Promise<void>

  /** Data of projects, also while no version runs, or none was ever deployed. */
  readonly data: Data
  /** Forgets what was prepared for versions that nobody asked for since `before`; it is made again when needed. */
  trim(before: Date): Promise<void>

  /** What is running now, for metrics and for people. */
  running(): RunningApp[]

  /** Ends everything: drains requests for at most `graceMs`, then kills. */
  close(graceMs?: number): Promise<void>
}

export interface Turn {
  /** The version has the data from now on. */
  keep(): void
  /** The version before has it again. After `keep` this does nothing. */
  giveBack(): void
}

/** Another version of the project has its data now. */
export class Moved extends Error {
  override readonly name = 'Moved'
}

export interface Data {
  /** Names of the databases that a version or a query ever named. */
  databases(projectId: string): Promise<string[]>
  /**
   * Runs statements on a database in one transaction; it is made when there is none of that name.
   * Throws `invalid_request` with what the database says, `app_failed` when it does not answer.
   */
  query(projectId: string, database: string, queries: Query[]): Promise<Rows[]>
  /** A database as the statements that make it, a line each. */
  dump(projectId: string, database: string): Promise<string>
  /** Bytes on disk of everything that the project keeps. */
  sizeBytes(projectId: string): Promise<number>
  /** The projects that keep something. */
  list(): Promise<string[]>
  /**
   * Copies everything that the project keeps into a folder, as it is at one moment: its process stands still meanwhile.
   * What a database has in its write-ahead log comes along, as after a power cut.
   */
  copy(projectId: string, to: string): Promise<void>
  /** Deletes everything that the project keeps. */
  remove(projectId: string): Promise<void>
}

export interface Query {
  sql: string
  params?: (string | number | null)[]
}

export interface Rows {
  columns: string[]
  rows: unknown[][]
  meta: { rows_read: number; rows_written: number; changes: number; size_after: number }
}

/** What is hosted under one deployment changes when its environment does: then the revision changes. */
export interface AppName {
  deploymentId: string
  revision: string
}

export interface App extends AppName {
  projectId: string
  /** Whose projects its service bindings reach. */
  accountId: string
  /** Names the module that is the entry; the first of `modules`. */
  main: string
  modules: Module[]
  /** yyyy-mm-dd, as in wrangler's `compatibility_date`. */
  compatibilityDate: string
  compatibilityFlags: string[]
  /** Text bindings: variables and secrets alike. Never written to disk. */
  env: Record<string, string>
  /** Variables that are no text: numbers, lists, objects. In plain sight. */
  json?: Record<string, unknown>
  /** What it finds in its `env` beside variables. Data is the project's: every version sees the same. */
  bindings: Binding[]
  queueConsumers: QueueConsumer[]
  /** Name of the binding through which the app reads its static assets, if it wants one. */
  assetsBinding?: string
  /** It is started on a schedule: its entry must have a `scheduled` handler, and needs no other. */
  scheduled?: boolean
  limits: { memoryMb: number; requestCpuMs: number }
  /**
   * The hosts that its own requests may reach, such as "api.example.com", "*.example.com" or "1.2.3.4:8080"; null for
   * every public one, none for no network at all.
   */
  egress: readonly string[] | null
}

export interface Module {
  name: string
  type: 'esm' | 'text' | 'data' | 'wasm' | 'json'
  bytes: Uint8Array
}

export interface Lease {
  /** Sends requests to the app: a unix socket here, an HTTPS pool elsewhere. */
  dispatcher: Dispatcher
  /** Scheme and authority to send with, such as "http://app". */
  origin: string
  /**
   * Headers that the engine needs on every request, such as the name of a script. What the caller sends as
   * `x-request-id` is what the lines of that request carry.
   */
  headers: Record<string, string>
  /** The request became a socket: it is cut off rather than waited for when another version gets the data. */
  detach(): void
  release(): void
}

export interface ScheduledEvent {
  /** The expression that is due, as the app wrote it. */
  cron: string
  scheduledAt: Date
}

export interface ScheduledOutcome {
  /** "ok", "exception", or another word of the runtime's for how it ended. */
  outcome: string
  /** What it threw, when that is known. */
  error?: string
}

export interface Execution {
  /** Executions of one account may follow each other in one process; never those of two. */
  accountId: string
  main: string
  modules: Module[]
  /** The program imports `node:*`. Costs milliseconds, so only then. */
  usesNode: boolean
  input: unknown
  limits: ExecutionLimits
  /** Ends the program: `execute` rejects with its reason. */
  signal?: AbortSignal
  /** Called once when the queue is over and the program begins. */
  onStart?: () => void
}

export interface ExecutionLimits {
  cpuMs: number
  wallMs: number
  memoryMb: number
  outputBytes: number
  logBytes: number
}

/** What became of an execution. `logs` has also what was printed before a kill. */
export type Outcome = (
  | { status: 'returned' /** JSON text of the result. */; result: string }
  | { status: 'threw'; message: string; stack?: string }
  | { status: 'limited'; limit: 'cpu' | 'wall' | 'memory' | 'output' }
) & {
  logs: LogLine[]
  /** CPU of the process that ran it, isolate start included. */
  cpuMs: number
  /** Wall time from the start of the isolate to its answer, without the queue. */
  durationMs: number
  queueMs: number
}

export type LogLevel = 'debug' | 'info' | 'log' | 'warn' | 'error'

export interface LogLine {
  level: LogLevel
  message: string
}

/** A line of a hosted app's log. */
export interface HostedLine extends LogLine {
  /** The request that it belongs to, by the app's own word; null outside of requests. */
  requestId: string | null
  kind: LineKind
}

/** Who says it: the app on its console, the app by an exception that it did not catch, or Jack about the app. */
export type LineKind = 'console' | 'exception' | 'notice'

/** What an engine tells while it hosts. Called often: must be cheap and must not throw. */
export interface EngineEvents {
  log(line: HostedLine & AppName & { projectId: string; at: Date }): void
  /** CPU that a version used since the last call. */
  cpu(usage: AppName & { projectId: string; cpuMs: number }): void
  /** Rows of databases that a version read and wrote since the last call. */
  rows(usage: AppName & { projectId: string; read: number; written: number }): void
  /** What left a version since the last call, and what came back: requests, and bytes of their bodies and WebSockets. */
  egress(
    usage: AppName & { projectId: string; requests: number; bytesOut: number; bytesIn: number },
  ): void
  /** A version was killed: it spun, grew too large, or crashed. */
  killed(
    event: AppName & {
      projectId: string
      reason: KillReason
      detail: string
      /** What its process had used, as far as that is known. */
      cpuMs?: number
      memoryBytes?: number
    },
  ): void
  /** A sleeping project has something to do: an alarm of a Durable Object, or a message of a queue. */
  wake(projectId: string): void
}

export type KillReason = 'cpu' | 'memory' | 'crash' | 'storage'

export interface RunningApp extends AppName {
  projectId: string
  pid: number
  requests: number
  startedAt: Date
}

export type SandboxLevel = 'full' | 'namespaces' | 'none'

export interface SandboxReport {
  level: SandboxLevel
  /** Each wall, whether it stands, and why not. */
  walls: { name: string; active: boolean; why?: string }[]
}
