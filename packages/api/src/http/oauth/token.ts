import type { Hono } from 'hono'
import { cors } from 'hono/cors'
import { scopesOf } from '../../Grant.ts'
import type { Jack } from '../../jack.ts'
import { OAuthError } from '../../OAuthError.ts'
import type { Issued } from '../../store/oauthGrants.ts'
import { pollDevice } from '../../verbs/poll-device.ts'
import { redeemCode } from '../../verbs/redeem-code.ts'
import { refreshGrant } from '../../verbs/refresh-grant.ts'
import { revokeGrant } from '../../verbs/revoke-grant.ts'
import type { Door } from '../Door.ts'
import {
  clientIdOf,
  inOAuth,
  namedResource,
  need,
  type Parameters,
  readParameters,
} from './request.ts'

/** Where clients change what they have for tokens, and give them back. No cookie counts here, so that web pages may ask too. */
export function tokenDoor(app: Hono<Door>, jack: Jack): void {
  app.use('/oauth/token', cors())
  app.use('/oauth/revoke', cors())

  app.post(
    '/oauth/token',
    inOAuth(async (c) => {
      const parameters = await readParameters(c)
      const named = need(parameters, 'grant_type')
      const grantType = Object.hasOwn(grantTypes, named) && grantTypes[named]
      if (!grantType)
        throw new OAuthError(
          'unsupported_grant_type',
          `It is one of ${Object.keys(grantTypes).join(', ')}.`,
        )
      const clientId = clientIdOf(c, parameters)
      return c.json(presentIssued(await grantType(jack, clientId, parameters)))
    }),
  )

  app.post(
    '/oauth/revoke',
    inOAuth(async (c) => {
      const parameters = await readParameters(c)
      const clientId = clientIdOf(c, parameters)
      await revokeGrant(jack, { clientId, secret: need(parameters, 'token') })
      return c.body(null, 200)
    }),
  )
}

type GrantType = (jack: Jack, clientId: string, parameters: Parameters) => Promise<Issued>

const grantTypes: Partial<Record<string, GrantType>> = {
  authorization_code: async (jack, clientId, parameters) => {
    const verifier = need(parameters, 'code_verifier')
    if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier))
      throw new OAuthError(
        'invalid_request',
        '"code_verifier" has 43 to 128 letters, digits or -._~',
      )
    return redeemCode(jack, {
      clientId,
      code: need(parameters, 'code'),
      verifier,
      redirectUri: parameters.redirect_uri,
      resource: namedResource(jack, parameters),
    })
  },

  refresh_token: async (jack, clientId, parameters) =>
    refreshGrant(jack, {
      clientId,
      refreshToken: need(parameters, 'refresh_token'),
      scopes: parameters.scope === undefined ? undefined : scopesOf(parameters.scope),
      resource: namedResource(jack, parameters),
    }),

  'urn:ietf:params:oauth:grant-type:device_code': async (jack, clientId, parameters) =>
    pollDevice(jack, { clientId, deviceCode: need(parameters, 'device_code') }),
}

const presentIssued = (it: Issued) => ({
  access_token: it.accessToken,
  token_type: 'Bearer',
  expires_in: it.expiresInSeconds,
  ...(it.refreshToken !== null && { refresh_token: it.refreshToken }),
  scope: it.scopes.join(' '),
})
