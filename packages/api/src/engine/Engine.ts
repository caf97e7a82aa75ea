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
   * response (or socket) is over. Throws `app_failed` when it does not start.
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

  /** Forgets a version and ends its process after its requests. */
  remove(deploymentId: string): Promise<void>

  /** What is running now, for metrics and for people. */
  running(): RunningApp[]

  /** Ends everything: drains requests for at most `graceMs`, then kills. */
  close(graceMs?: number): Promise<void>
}

/** What is hosted under one deployment changes when its environment does: then the revision changes. */
export interface AppName {
  deploymentId: string
  revision: string
}

export interface App extends AppName {
  projectId: string
  /** Names the module that is the entry; the first of `modules`. */
  main: string
  modules: Module[]
  /** yyyy-mm-dd, as in wrangler's `compatibility_date`. */
  compatibilityDate: string
  compatibilityFlags: string[]
  /** Text bindings: variables and secrets alike. Never written to disk. */
  env: Record<string, string>
  /** Name of the binding through which the app reads its static assets, if it wants one. */
  assetsBinding?: string
  /** It is started on a schedule: its entry must have a `scheduled` handler, and needs no other. */
  scheduled?: boolean
  limits: { memoryMb: number; requestCpuMs: number }
  /** Where its own fetches may go: any public address, or nowhere. */
  egress: 'public' | 'none'
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
  /** Headers that the engine needs on every request, such as the name of a script. */
  headers: Record<string, string>
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

/** What an engine tells while it hosts. Called often: must be cheap and must not throw. */
export interface EngineEvents {
  log(line: LogLine & AppName & { projectId: string; at: Date }): void
  /** CPU that a version used since the last call. */
  cpu(usage: AppName & { projectId: string; cpuMs: number }): void
  /** A version was killed: it spun, grew too large, or crashed. */
  killed(
    event: AppName & { projectId: string; reason: 'cpu' | 'memory' | 'crash'; detail: string },
  ): void
}

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
