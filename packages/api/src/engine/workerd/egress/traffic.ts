import type { EventEmitter } from 'node:events'
import { Refusal } from './refusal.ts'

/** Of one app. */
export interface EgressLimits {
  /** Requests that are not answered to the end, and open WebSockets. */
  connections: number
  /** How many more may wait for one of those to end. */
  waiting: number
  requestsPerSecond: number
  /** How many may come at once after a pause. */
  burst: number
}

const WAIT_MS = 30_000

/** Who of one app's requests may go now, who waits, and who is too much. */
export class Traffic {
  readonly #limits: EgressLimits
  readonly #now: () => number
  readonly #waiting = new Set<() => void>()
  #running = 0
  #tokens: number
  #filledAt: number

  /** @param now milliseconds of a clock that never goes back */
  constructor(limits: EgressLimits, now: () => number = () => performance.now()) {
    this.#limits = limits
    this.#now = now
    this.#tokens = limits.burst
    this.#filledAt = now()
  }

  /**
   * Resolves with the function that gives the place back, as soon as there is one; never when `asker` closes meanwhile.
   * Throws a 429.
   */
  async enter(asker: EventEmitter): Promise<() => void> {
    const { connections, waiting, requestsPerSecond } = this.#limits
    if (!this.#takeToken())
      throw new Refusal(
        429,
        `This app makes more than ${requestsPerSecond} requests a second. Wait a second, or make fewer.`,
      )
    if (this.#running >= connections) {
      if (this.#waiting.size >= waiting) throw tooMany(connections)
      await this.#place(asker)
    } else this.#running++
    let left = false
    return () => {
      if (left) return
      left = true
      const [next] = this.#waiting
      if (next) next()
      else this.#running--
    }
  }

  #place(asker: EventEmitter): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        asker.off('close', end)
        this.#waiting.delete(go)
      }
      const go = () => {
        end()
        resolve()
      }
      const timer = setTimeout(() => {
        end()
        reject(tooMany(this.#limits.connections))
      }, WAIT_MS)
      asker.once('close', end)
      this.#waiting.add(go)
    })
  }

  #takeToken(): boolean {
    const { requestsPerSecond, burst } = this.#limits
    const now = this.#now()
    this.#tokens = Math.min(
      burst,
      this.#tokens + ((now - this.#filledAt) / 1000) * requestsPerSecond,
    )
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

const tooMany = (connections: number) =>
  new Refusal(
    429,
    `This app has ${connections} requests or WebSockets open already, and too many wait. Read or cancel the bodies of its responses.`,
  )
