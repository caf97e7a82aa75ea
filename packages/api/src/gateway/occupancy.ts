import { limits } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'

const most = {
  requests: limits.hosting.requestsAtOnce,
  sockets: limits.hosting.socketsAtOnce,
}

const said = {
  requests: `This app answers ${most.requests} requests at once already.`,
  sockets: `This app has ${most.sockets} WebSockets open already.`,
}

/** What each project has under way, so that none takes the whole gateway. Counts are per replica. */
export class Occupancy {
  readonly #counts = { requests: new Map<string, number>(), sockets: new Map<string, number>() }

  /** Takes a place until the answer is called. Throws `unavailable` when there is none. */
  enter(projectId: string, kind: keyof typeof most): () => void {
    const counts = this.#counts[kind]
    const count = counts.get(projectId) ?? 0
    if (count >= most[kind]) {
      throw new JackError('unavailable', said[kind], {
        hint: 'Try again in a moment.',
        retryAfterSeconds: 1,
      })
    }
    counts.set(projectId, count + 1)
    let left = false
    return () => {
      if (left) return
      left = true
      const now = (counts.get(projectId) as number) - 1
      if (now > 0) counts.set(projectId, now)
      else counts.delete(projectId)
    }
  }
}
