import { RateLimiterMemory } from 'rate-limiter-flexible'
import { JackError } from '../Errors.ts'
import { isPayable } from './problems.ts'

/**
 * Keeps an address from having many payments checked that are none: to check one takes longer than to make it up. Counts are
 * per replica.
 */
export class Forgeries {
  readonly #seen: RateLimiterMemory

  constructor(perMinute: number) {
    this.#seen = new RateLimiterMemory({ points: perMinute, duration: 60 })
  }

  /** Throws `rate_limited` for an address from which too many came in the last minute. */
  async require(address: string): Promise<void> {
    const seen = await this.#seen.get(address)
    if (!seen || seen.consumedPoints < this.#seen.points) return
    throw new JackError('rate_limited', 'Too many payments were refused in a minute.', {
      hint: 'Wait as long as Retry-After says, and see why they were refused.',
      retryAfterSeconds: Math.max(1, Math.ceil(seen.msBeforeNext / 1_000)),
    })
  }

  /** Counts a payment that was refused for what it is. */
  async note(address: string, error: JackError): Promise<void> {
    if (isPayable(error) && /malformed|invalid|verification/.test(error.type))
      await this.#seen.penalty(address)
  }
}
