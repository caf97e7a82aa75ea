import { type Operation, operations } from '@jackcloud/sdk/wire'
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
  const buyers = limiter(perMinute * 2)
  const signIns = limiter(Math.max(30, Math.ceil(perMinute / 100)))
  const failedDeploys = new RateLimiterMemory({ points: 30, duration: 600 })

  return {
    /** Before anything else is looked at. */
    byAddress: (async (c, next) => {
      await consume(addresses, c.get('address'))
      await next()
    }) satisfies MiddlewareHandler<Door>,

    /** For what one request asks beside the first: the messages of a batch. */
    messages: async (address: string, count: number): Promise<void> => {
      if (count > 0) await consume(addresses, address, count)
    },

    /** Once it is known who asks: an account, or a stranger, who gets less. */
    byAccount: (async (c, next) => {
      const payer = c.get('payer')
      const used = payer
        ? await consume(accounts, payer.accountId)
        : isPaid(c.req)
          ? await consume(buyers, c.get('address'))
          : await consume(strangers, c.get('address'))
      await next()
      const reset = Math.ceil(used.msBeforeNext / 1_000)
      c.header('ratelimit-policy', `"default";q=${used.consumedPoints + used.remainingPoints};w=60`)
      c.header('ratelimit', `"default";r=${used.remainingPoints};t=${reset}`)
    }) satisfies MiddlewareHandler<Door>,

    /** Failing deploys run programs for nothing: after many of them, an account waits. */
    async deploy<T>(accountId: string, work: () => Promise<T>): Promise<T> {
      const seen = await failedDeploys.get(accountId)
      if (seen && seen.consumedPoints >= failedDeploys.points)
        throw tooMany('Too many deploys failed in ten minutes.', seen)
      try {
        return await work()
      } catch (error) {
        if (error instanceof JackError && error.code === 'deploy_failed')
          await failedDeploys.penalty(accountId)
        throw error
      }
    },

    /** Signing in and claiming write rows for nobody yet, and ask others who somebody is. */
    signIn: (async (c, next) => {
      await consume(signIns, c.get('address'))
      await next()
    }) satisfies MiddlewareHandler<Door>,

    /** A wrong token costs the address ten requests, so that trying tokens ends soon. */
    wrongToken: (address: string) => consume(strangers, address, 10),
  }
}

/** Whoever buys something asks twice: what it costs, and with the payment. */
const isPaid = ({ method, path }: { method: string; path: string }): boolean =>
  method === 'POST' && paidPaths.some((it) => it.test(path))

const paidPaths = Object.values(operations)
  .filter((it: Operation) => it.price !== undefined)
  .map((it) => new RegExp(`^${it.path.replace(/:\w+/g, '[^/]+')}$`))

export type RateLimits = ReturnType<typeof rateLimits>

export async function consume(
  limiter: RateLimiterMemory,
  key: string,
  points = 1,
): Promise<RateLimiterRes> {
  try {
    return await limiter.consume(key, points)
  } catch (rejected) {
    if (!(rejected instanceof RateLimiterRes)) throw rejected
    throw tooMany('Too many requests in a minute.', rejected)
  }
}

const tooMany = (detail: string, { msBeforeNext }: RateLimiterRes): JackError =>
  new JackError('rate_limited', detail, {
    hint: 'Wait as long as Retry-After says, then go on more slowly.',
    retryAfterSeconds: Math.max(1, Math.ceil(msBeforeNext / 1_000)),
  })
