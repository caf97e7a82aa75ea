import type { MiddlewareHandler } from 'hono'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { JackError } from '../Errors.ts'
import type { Door } from './Door.ts'

/** Keeps one address, and one account, from taking all there is. Counts are per replica. */
export function rateLimits(perMinute: number) {
  const limiter = (points: number) => new RateLimiterMemory({ points, duration: 60 })
  const addresses = limiter(perMinute * 2)
  const strangers = limiter(Math.max(60, Math.ceil(perMinute / 10)))
  const accounts = limiter(perMinute)

  return {
    /** Before anything else is looked at. */
    byAddress: (async (c, next) => {
      await consume(addresses, c.get('address'))
      await next()
    }) satisfies MiddlewareHandler<Door>,

    /** Once it is known who asks: an account, or a stranger, who gets less. */
    byAccount: (async (c, next) => {
      const payer = c.get('payer')
      const used = payer
        ? await consume(accounts, payer.accountId)
        : await consume(strangers, c.get('address'))
      await next()
      const reset = Math.ceil(used.msBeforeNext / 1_000)
      c.header('ratelimit-policy', `"default";q=${payer ? perMinute : strangers.points};w=60`)
      c.header('ratelimit', `"default";r=${used.remainingPoints};t=${reset}`)
    }) satisfies MiddlewareHandler<Door>,

    /** A wrong token costs the address ten requests, so that trying tokens ends soon. */
    wrongToken: (address: string) => consume(strangers, address, 10),
  }
}

async function consume(
  limiter: RateLimiterMemory,
  key: string,
  points = 1,
): Promise<RateLimiterRes> {
  try {
    return await limiter.consume(key, points)
  } catch (rejected) {
    if (!(rejected instanceof RateLimiterRes)) throw rejected
    throw new JackError('rate_limited', 'Too many requests in a minute.', {
      hint: 'Wait as long as Retry-After says, then go on more slowly.',
      retryAfterSeconds: Math.max(1, Math.ceil(rejected.msBeforeNext / 1_000)),
    })
  }
}
