import type { IncomingMessage } from 'node:http'
import { limits } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import type { Caller } from './forward.ts'

export interface ServiceCall {
  caller: { projectId: string; accountId: string }
  /** The name of the project that is called. */
  service: string
}

/**
 * Keeps apps that call each other from calling in circles. A call says how many apps the request went through that it is
 * made for (`engine/workerd/requestModule.ts`). That is said inside of the app, which may see to it that nothing is said.
 * But a circle waits for itself: it ends when one of its projects has as many calls under way as it may have, and none is
 * let through then until half of them are over, or a circle that branches would go on in what the first ones leave.
 */
export class ServiceCalls {
  readonly #underWay = new Map<string, number>()
  readonly #full = new Set<string>()

  /** Counts a call while `work` is done. Throws `loop_detected`. */
  async during<T>(
    { caller: { projectId, accountId }, service }: ServiceCall,
    req: IncomingMessage,
    work: (caller: Caller) => Promise<T>,
  ): Promise<T> {
    const { hops: mostHops, callsUnderWay } = limits.services
    const hops = Number(req.headers['x-jack-hops'] ?? 0) + 1
    // Below zero, or no number, is said by nobody but the app itself.
    if (!(hops >= 1 && hops <= mostHops)) {
      throw new JackError('loop_detected', `The request went through ${mostHops} apps already.`, {
        hint: 'Look for service bindings that lead back to where they came from.',
      })
    }
    const count = this.#underWay.get(projectId) ?? 0
    if (count >= callsUnderWay) this.#full.add(projectId)
    if (this.#full.has(projectId)) {
      throw new JackError(
        'loop_detected',
        `The project had ${callsUnderWay} calls of other projects under way.`,
        { hint: 'Its service bindings may lead in a circle; otherwise call less at a time.' },
      )
    }
    this.#underWay.set(projectId, count + 1)
    try {
      return await work({ accountId, service, hops })
    } finally {
      const left = (this.#underWay.get(projectId) ?? 1) - 1
      if (left <= callsUnderWay / 2) this.#full.delete(projectId)
      if (left > 0) this.#underWay.set(projectId, left)
      else this.#underWay.delete(projectId)
    }
  }
}
