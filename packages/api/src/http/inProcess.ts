import type { Hono } from 'hono'
import type { Arrival, Door } from './Door.ts'

/** Whoever asks from outside, for whom the doors are asked from within. */
export type Asker = Pick<Arrival, 'address'> & Required<Pick<Arrival, 'within'>>

/**
 * The doors as the `fetch` of a client, without a socket: limits, log and payments see the address of whoever asked from
 * outside. Rejects when `signal` aborts; the door hears of it too. A body is text.
 */
export const inProcess =
  (app: Pick<Hono<Door>, 'fetch'>, { address, within }: Asker) =>
  async (url: string, init: RequestInit = {}): Promise<Response> => {
    const { body = null, signal } = init
    if (body !== null && typeof body !== 'string')
      throw new TypeError('Only text can be sent without a socket.')
    signal?.throwIfAborted()
    const bytes = body === null ? [] : [new TextEncoder().encode(body)]
    const answer = app.fetch(new Request(url, init), { address, body: bytes, within })
    return signal ? Promise.race([answer, aborted(signal)]) : answer
  }

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
