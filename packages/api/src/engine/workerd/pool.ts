import { JackError } from '../../Errors.ts'
import { FairQueue } from './queue.ts'

/** A process as the pool sees it. */
export interface Pooled {
  dead: boolean
  exited: Promise<void>
  kill(): void
}

export interface PoolOptions<Process extends Pooled> {
  size: number
  reuse: 'account' | 'never'
  /** Executions after which a process is replaced. */
  maxUses: number
  queue: number
  queuePerAccount: number
  /** How long an idle process stays bound to its account before it makes room for another. */
  bindMs?: number
  /** Starts a process and warms it. */
  start(): Promise<Process>
  failed(error: unknown): void
}

interface Member<Process> {
  process: Process
  account?: string
  uses: number
  /** Jobs in a row that it took from the queue although others waited too. */
  turn: number
  unbind?: NodeJS.Timeout
}

interface Waiting<Process> {
  account: string
  resolve(member: Member<Process>): void
  reject(error: Error): void
}

/**
 * Keeps `size` warm processes. One belongs to nobody until an account's program ran in it; from then on it serves
 * that account or is replaced, never another. Replacing happens behind the back of those who wait.
 */
export class Pool<Process extends Pooled> {
  readonly #options: PoolOptions<Process>
  readonly #queue: FairQueue<Waiting<Process>>
  readonly #idle: Member<Process>[] = []
  readonly #members = new Set<Member<Process>>()
  readonly #using = new Map<string, number>()
  #starting = 0
  #failures = 0
  #closed = false

  constructor(options: PoolOptions<Process>) {
    this.#options = options
    this.#queue = new FairQueue({ total: options.queue, perAccount: options.queuePerAccount })
  }

  /** Resolves when all are warm; throws when the first cannot be started. */
  async start(): Promise<void> {
    const starts = Array.from({ length: this.#options.size }, () => this.#startOne())
    await Promise.all(starts)
  }

  /** Runs `use` with a process of this account; the process is replaced afterwards if `use` killed it. */
  async run<T>(
    account: string,
    signal: AbortSignal | undefined,
    use: (process: Process) => Promise<T>,
  ): Promise<T> {
    const member = await this.#acquire(account, signal)
    try {
      return await use(member.process)
    } finally {
      this.#release(member, account)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of this.#queue.drain()) waiting.reject(closing())
    for (const member of this.#members) clearTimeout(member.unbind)
    await Promise.all(
      [...this.#members].map(({ process }) => {
        process.kill()
        return process.exited
      }),
    )
  }

  async #acquire(account: string, signal: AbortSignal | undefined): Promise<Member<Process>> {
    signal?.throwIfAborted()
    if (this.#closed) throw closing()
    const member = this.#queue.size === 0 ? this.#takeIdle(account) : undefined
    if (member) return this.#bind(member, account)
    return new Promise((resolve, reject) => {
      const aborted = () => {
        this.#queue.remove(account, waiting)
        reject(signal?.reason)
      }
      const waiting: Waiting<Process> = {
        account,
        resolve: (given) => {
          signal?.removeEventListener('abort', aborted)
          resolve(given)
        },
        reject: (error) => {
          signal?.removeEventListener('abort', aborted)
          reject(error)
        },
      }
      if (!this.#queue.push(account, waiting)) {
        reject(
          new JackError('rate_limited', 'Too many executions are waiting', {
            hint: 'Run fewer at once, or try again in a moment',
            retryAfterSeconds: 1,
          }),
        )
        return
      }
      signal?.addEventListener('abort', aborted, { once: true })
      this.#serve()
    })
  }

  /** Gives idle processes to those whose turn it is, and makes room for those that have none. */
  #serve(): void {
    const using = (account: string) => this.#using.get(account) ?? 0
    for (;;) {
      const account = this.#queue.next(using)
      if (account === undefined) return
      const member = this.#takeIdle(account)
      if (!member) {
        // Every idle process is another account's: replace the one that has idled longest, unless one is coming.
        if (this.#starting === 0) {
          const oldest = this.#idle.shift()
          if (oldest) this.#discard(oldest)
        }
        return
      }
      this.#queue.take(account)?.resolve(this.#bind(member, account))
    }
  }

  #takeIdle(account: string): Member<Process> | undefined {
    const own = this.#idle.findIndex((member) => member.account === account && !member.process.dead)
    const at =
      own >= 0 ? own : this.#idle.findIndex((m) => m.account === undefined && !m.process.dead)
    return at < 0 ? undefined : this.#idle.splice(at, 1)[0]
  }

  #bind(member: Member<Process>, account: string): Member<Process> {
    clearTimeout(member.unbind)
    member.account = account
    member.uses++
    this.#using.set(account, (this.#using.get(account) ?? 0) + 1)
    return member
  }

  #release(member: Member<Process>, account: string): void {
    const count = (this.#using.get(account) ?? 1) - 1
    const { reuse, maxUses, bindMs = 1000 } = this.#options
    const worn = member.process.dead || reuse === 'never' || member.uses >= maxUses
    // Counted with this process still in use, so that equal shares leave it where it is.
    const fair = this.#queue.next((name) => this.#using.get(name) ?? 0, account)
    // A turn is a few jobs long: handing over costs a new process.
    const more = this.#queue.has(account) && ++member.turn < TURN
    const next = more ? account : fair
    if (next === undefined) member.turn = 0
    if (count > 0) this.#using.set(account, count)
    else this.#using.delete(account)
    if (this.#closed) return
    if (worn || (next !== undefined && next !== account)) {
      this.#discard(member)
    } else {
      this.#idle.push(member)
      member.unbind = setTimeout(() => {
        const at = this.#idle.indexOf(member)
        if (at < 0) return
        this.#idle.splice(at, 1)
        this.#discard(member)
      }, bindMs)
      member.unbind.unref()
    }
    if (next === account && !worn) {
      const own = this.#takeIdle(account)
      const waiting = own && this.#queue.take(account)
      if (own && waiting) waiting.resolve(this.#bind(own, account))
    }
    this.#serve()
  }

  #discard(member: Member<Process>): void {
    clearTimeout(member.unbind)
    member.process.kill()
    // Its exit brings the next one.
  }

  async #startOne(): Promise<void> {
    this.#starting++
    let process: Process
    try {
      process = await this.#options.start()
    } finally {
      this.#starting--
    }
    const member: Member<Process> = { process, uses: 0, turn: 0 }
    this.#failures = 0
    this.#members.add(member)
    void process.exited.then(() => {
      this.#members.delete(member)
      const at = this.#idle.indexOf(member)
      if (at >= 0) this.#idle.splice(at, 1)
      clearTimeout(member.unbind)
      this.#replace()
    })
    if (this.#closed) {
      process.kill()
      return
    }
    this.#idle.push(member)
    this.#serve()
  }

  /** Back-off: a machine that cannot start processes must not be busy with trying. */
  #replace(): void {
    if (this.#closed) return
    const wait = this.#failures === 0 ? 0 : Math.min(5000, 50 * 2 ** this.#failures)
    const again = () => {
      if (this.#closed) return
      this.#startOne().catch((error) => {
        this.#failures++
        this.#options.failed(error)
        this.#replace()
      })
    }
    if (wait === 0) again()
    else setTimeout(again, wait).unref()
  }
}

const TURN = 4

const closing = () =>
  new JackError('unavailable', 'This server is shutting down', { retryAfterSeconds: 5 })
