import { Client } from 'undici'
import { JackError } from '../../Errors.ts'
import type { ScheduledEvent, ScheduledOutcome } from '../Engine.ts'

/**
 * Has a process call its app's `scheduled` handler, over a connection of its own: it may take minutes, and pings go on
 * meanwhile. Throws `app_failed` when the process ends, and `signal`'s reason.
 *
 * @param socketPath the process's control socket
 */
export async function callScheduled(
  socketPath: string,
  { cron, scheduledAt }: ScheduledEvent,
  signal?: AbortSignal,
): Promise<ScheduledOutcome> {
  const client = new Client('http://app', {
    socketPath,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxResponseSize: 65_536,
  })
  try {
    const { body } = await client.request({
      path: '/',
      method: 'POST',
      body: JSON.stringify({ cron, at: scheduledAt.getTime() }),
      ...(signal && { signal }),
    })
    const { outcome, error } = (await body.json()) as ScheduledOutcome
    return { outcome, ...(error !== undefined && { error }) }
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw new JackError('app_failed', 'The app ended before its scheduled handler did.', {
      hint: 'Its logs say why: jack logs',
      cause: error,
    })
  } finally {
    await client.destroy()
  }
}
