import { setTimeout as sleep } from 'node:timers/promises'
import { JackError } from '@jackcloud/sdk'
import {
  type AuthorizationServer,
  ask,
  asked,
  refusalOf,
  requestToken,
} from './AuthorizationServer.ts'

/** What the person has to do, on any machine with a browser. */
export interface DeviceCode {
  user_code: string
  verification_uri: string
  /** With the code in it. */
  verification_uri_complete: string
  expires_in: number
}

/**
 * Signs in with a browser on another machine (RFC 8628). Answers a token, when the person has typed the code there.
 *
 * @param show gets the code, once
 */
export async function byDevice(
  server: AuthorizationServer,
  show: (code: DeviceCode) => void,
  signal: AbortSignal,
): Promise<string> {
  const { ok, json } = await ask(server.device_authorization_endpoint, {
    form: asked(server),
    signal,
  })
  if (!ok || typeof json.device_code !== 'string') throw refusalOf(json)
  const { device_code, user_code, verification_uri, verification_uri_complete, expires_in } =
    json as unknown as DeviceCode & { device_code: string }
  show({ user_code, verification_uri, verification_uri_complete, expires_in })

  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
  let waitSeconds = Number(json.interval ?? 5)
  for (;;) {
    await sleep(waitSeconds * 1_000, undefined, { signal })
    try {
      return await requestToken(server, { grant_type, device_code }, signal)
    } catch (error) {
      const oauth = error instanceof JackError ? error.fields.oauth : undefined
      if (oauth === 'slow_down') waitSeconds += 5
      // Of a network that is away for a moment nobody has to hear: the code is good for minutes.
      else if (oauth !== 'authorization_pending' && !isAway(error)) throw error
    }
  }
}

const isAway = (error: unknown): boolean => error instanceof JackError && error.code === 'network'
