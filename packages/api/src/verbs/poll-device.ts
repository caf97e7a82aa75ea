import { lifetimeOf } from '../Grant.ts'
import type { Jack } from '../jack.ts'
import { OAuthError, type OAuthRefusal } from '../OAuthError.ts'
import * as devices from '../store/oauthDevices.ts'
import * as grants from '../store/oauthGrants.ts'

/**
 * A client without a browser asks whether its person has decided (RFC 8628, section 3.4). Its code brings one token. Whoever
 * asks too often is told to wait five seconds more each time.
 */
export async function pollDevice(
  jack: Jack,
  { clientId, deviceCode }: { clientId: string; deviceCode: string },
): Promise<grants.Issued> {
  const now = jack.now()
  const outcome = await jack.db.transaction().execute(async (db) => {
    const device = await devices.findByCode(db, deviceCode, now)
    if (!device || device.ask.clientId !== clientId) return 'invalid_grant'
    if (device.isExpired) return 'expired_token'
    if (device.denied) return 'access_denied'
    if (device.tokenId === null) {
      const { polledAt, intervalSeconds } = device
      const isTooSoon =
        polledAt !== null && now.getTime() - polledAt.getTime() < intervalSeconds * 1_000 - graceMs
      const wait = isTooSoon ? intervalSeconds + 5 : intervalSeconds
      await devices.notePoll(db, deviceCode, now, wait)
      return isTooSoon ? 'slow_down' : 'authorization_pending'
    }
    await devices.remove(db, deviceCode)
    return (await grants.issue(db, device.tokenId, now, lifetimeOf(clientId))) ?? 'invalid_grant'
  })
  if (typeof outcome === 'object') return outcome
  throw new OAuthError(outcome, sentences[outcome])
}

/** By which the network may shorten the way between two requests. */
const graceMs = 500

const sentences: Record<
  Extract<
    OAuthRefusal,
    'invalid_grant' | 'expired_token' | 'access_denied' | 'slow_down' | 'authorization_pending'
  >,
  string
> = {
  invalid_grant: 'This device code is not good: unknown, used, or of another client.',
  expired_token: 'Nobody typed the code in time. Begin again.',
  access_denied: 'The person said no.',
  slow_down: 'You ask too often: wait five seconds longer each time.',
  authorization_pending: 'The person has not decided yet.',
}
