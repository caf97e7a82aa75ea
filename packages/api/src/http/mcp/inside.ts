import type { Context, Hono } from 'hono'
import type { Arrival, Door } from '../Door.ts'
import { inProcess } from '../inProcess.ts'

type Fetch = ReturnType<typeof inProcess>

/** The doors as they are asked for a tool. */
export type Inside = (within: Omit<Required<Arrival>['within'], 'requestId'>) => Fetch

/** The doors, for whoever sent this request. */
export const insideOf =
  (app: Pick<Hono<Door>, 'fetch'>, c: Context<Door>): Inside =>
  (within) => {
    const { address, requestId } = c.var
    const fetch = inProcess(app, { address, within: { requestId, ...within } })
    return (url, init = {}) => {
      // Nobody sends it again under the same key, and to remember the answer takes time.
      const headers = new Headers(init.headers)
      headers.delete('idempotency-key')
      return fetch(url, { ...init, headers })
    }
  }
