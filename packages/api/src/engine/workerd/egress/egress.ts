import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, renameSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { limits } from '@jackcloud/sdk/wire'
import type { Logger } from 'pino'
import type { App, EngineEvents } from '../../Engine.ts'
import type { FromProcess, Settings, ToProcess } from './messages.ts'
import type { EgressLimits } from './traffic.ts'

export interface EgressOptions {
  /** Addresses with ports that apps may reach although they are not public, such as "127.0.0.1:8080". */
  permit?: readonly string[]
  /** Name servers in place of the machine's own. */
  resolvers?: readonly string[]
  limits?: EgressLimits
}

interface Parent {
  events: Pick<EngineEvents, 'egress'>
  logger: Pick<Logger, 'warn'>
  /** A directory that is ours alone, on the file system of the sockets. */
  runDir: string
  /** The user that the process becomes. */
  uid: number | undefined
  /** What to start it with, so that it ends with us. */
  prefix: readonly string[]
}

/** A way out of one app. */
interface Way {
  number: number
  app: Pick<App, 'deploymentId' | 'revision' | 'projectId' | 'egress'>
  path: string
  uid: number | undefined
  closing: boolean
  /** Its last usage is known, or never will be. */
  closed: Promise<void>
  close: () => void
}

const STEADY_MS = 10_000
const LONGEST_WAIT_MS = 10_000
const LAST_WORDS_MS = 2_000

/**
 * The process through which all apps leave, as its parent sees it. It is started with the first way out, and again
 * whenever it ends: then each way out gets a new socket in the place of the old one, and no app has to know.
 */
export class Egress {
  readonly #settings: Settings
  readonly #parent: Parent
  readonly #ways = new Map<number, Way>()
  #child: ChildProcess | undefined
  #startedAt = 0
  /** How often it ended soon after its start, without a longer life between. */
  #falls = 0
  #again: NodeJS.Timeout | undefined
  #next = 0
  #over = false

  constructor(options: EgressOptions, parent: Parent) {
    this.#parent = parent
    this.#settings = {
      permit: options.permit ?? [],
      resolvers: options.resolvers ?? [],
      limits: options.limits ?? limits.hosting.egress,
      uid: parent.uid ?? null,
    }
  }

  /** The process's id, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /**
   * Opens a way out at a path, for the user with that id. The result ends it: it resolves when all that it was used for
   * has been told.
   */
  async open(app: Way['app'], path: string, uid: number | undefined): Promise<() => Promise<void>> {
    let close = () => {}
    const closed = new Promise<void>((resolve) => {
      close = resolve
    })
    const way: Way = { number: ++this.#next, app, path, uid, closing: false, closed, close }
    this.#ways.set(way.number, way)
    try {
      if (this.#child) await this.#hand(this.#child, way)
      else if (!this.#again) await this.#start()
    } catch (error) {
      this.#end(way)
      throw error
    }
    return () => {
      if (!way.closing) this.#end(way)
      return closed
    }
  }

  /** Ends the process when it has told what the ways out were used for that are closing. Cuts off all others. */
  async close(): Promise<void> {
    const closing = [...this.#ways.values()].filter((way) => way.closing).map((way) => way.closed)
    const late = new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS).unref())
    await Promise.race([Promise.all(closing), late])
    this.#over = true
    clearTimeout(this.#again)
    const child = this.#child
    if (!child) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async #start(): Promise<void> {
    this.#again = undefined
    const extension = import.meta.url.endsWith('.ts') ? 'process.ts' : 'egressProcess.js'
    const command = [
      ...this.#parent.prefix,
      process.execPath,
      fileURLToPath(new URL(`./${extension}`, import.meta.url)),
    ]
    const child = spawn(command[0] as string, command.slice(1), {
      cwd: '/',
      env: passedOn(),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child = child
    // One for each way that is being handed over.
    child.setMaxListeners(0)
    this.#startedAt = performance.now()
    // That it was not even started; of the rest its exit tells.
    child.on('error', () => child.pid === undefined && this.#ended(null, null))
    child.on('message', (message: FromProcess) => this.#hear(message))
    child.stderr?.on('data', (text: Buffer) =>
      this.#parent.logger.warn({ output: String(text).slice(0, 2_000) }, 'the way out says'),
    )
    child.once('exit', (code, signal) => this.#ended(code, signal))
    void send(child, { start: this.#settings })
    await Promise.all([...this.#ways.values()].map((way) => this.#hand(child, way)))
  }

  #ended(code: number | null, signal: string | null): void {
    this.#child = undefined
    for (const way of this.#ways.values()) if (way.closing) this.#forget(way)
    if (this.#over) {
      for (const way of this.#ways.values()) this.#forget(way)
      return
    }
    if (this.#ways.size === 0) return
    this.#falls = performance.now() - this.#startedAt > STEADY_MS ? 0 : this.#falls + 1
    const waitMs = this.#falls < 2 ? 0 : Math.min(LONGEST_WAIT_MS, 100 * 2 ** (this.#falls - 2))
    this.#parent.logger.warn({ code, signal, waitMs }, 'the way out of apps ended: it starts again')
    this.#again = setTimeout(() => {
      this.#start().catch((err) => this.#parent.logger.warn({ err }, 'the way out did not start'))
    }, waitMs)
  }

  /**
   * Gives the process a socket that listens at the way's path. Made and given to its user in a directory of ours, since
   * the app's own may be full of traps; and moved there when it is the process's, so that nobody connects to us.
   */
  async #hand(child: ChildProcess, way: Way): Promise<void> {
    const { number, uid, path, app } = way
    const ours = join(this.#parent.runDir, `p${process.pid.toString(36)}w${number.toString(36)}`)
    rmSync(ours, { force: true })
    const listener = createServer((socket) => socket.destroy())
    try {
      listener.listen(ours)
      await once(listener, 'listening')
      if (uid !== undefined) chownSync(ours, uid, uid)
      chmodSync(ours, 0o600)
      const sent = await send(child, { open: number, hosts: app.egress }, listener)
      // Without: it ends just now, and all is done again.
      if (sent && !way.closing) renameSync(ours, path)
    } catch (error) {
      // The app's directory is gone, and so is the app.
      if (!way.closing) throw error
    } finally {
      listener.close()
    }
  }

  #end(way: Way): void {
    way.closing = true
    if (this.#child) void send(this.#child, { close: way.number })
    else this.#forget(way)
  }

  #hear({ used, closed }: FromProcess): void {
    for (const { way: number, ...usage } of used) {
      const way = this.#ways.get(number)
      if (!way) continue
      const { deploymentId, revision, projectId } = way.app
      this.#parent.events.egress({ deploymentId, revision, projectId, ...usage })
    }
    const way = closed === undefined ? undefined : this.#ways.get(closed)
    if (way) this.#forget(way)
  }

  #forget(way: Way): void {
    this.#ways.delete(way.number)
    way.close()
  }
}

/** Whether it was sent; when not, the process has ended or is about to. */
function send(child: ChildProcess, message: ToProcess, handle?: ReturnType<typeof createServer>) {
  return new Promise<boolean>((resolve) => {
    const done = (sent: boolean) => {
      child.off('exit', ended)
      resolve(sent)
    }
    // A handle waits until the one before it has arrived; with nobody to arrive at it would wait for ever.
    const ended = () => done(false)
    child.once('exit', ended)
    if (child.connected) child.send(message, handle, {}, (error) => done(error === null))
    else ended()
  })
}

/** Of our environment only where to find the certificates that the operator trusts. */
function passedOn(): NodeJS.ProcessEnv {
  const names = ['NODE_EXTRA_CA_CERTS', 'NODE_USE_SYSTEM_CA', 'SSL_CERT_FILE', 'SSL_CERT_DIR']
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
  )
}
