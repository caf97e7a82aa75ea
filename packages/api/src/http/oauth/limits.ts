import { RateLimiterMemory } from 'rate-limiter-flexible'
import { consume } from '../limit.ts'

/** How often one address, or one person, may do what costs nothing. Counts are per replica. */
export function oauthLimits() {
  const registrations = new RateLimiterMemory({ points: 60, duration: 3_600 })
  const devices = new RateLimiterMemory({ points: 60, duration: 600 })
  const documents = new RateLimiterMemory({ points: 60, duration: 600 })
  const codes = new RateLimiterMemory({ points: 10, duration: 600 })
  return {
    register: (address: string) => consume(registrations, address),
    device: (address: string) => consume(devices, address),
    /** Nobody makes this server ask others again and again. */
    document: (address: string) => consume(documents, address),

    /**
     * Looks up a code that somebody typed. After ten wrong ones in ten minutes none of his is looked up: there are 20^8, of
     * which few are good at a time (RFC 8628, section 5.1).
     */
    async typed<T>(accountId: string, look: () => Promise<T | undefined>): Promise<T | undefined> {
      await consume(codes, accountId)
      const found = await look()
      if (found) await codes.reward(accountId)
      return found
    },
  }
}

export type OAuthLimits = ReturnType<typeof oauthLimits>
