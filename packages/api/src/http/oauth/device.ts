import type { Hono } from 'hono'
import { cors } from 'hono/cors'
import { html } from 'hono/html'
import { deviceMs } from '../../Grant.ts'
import type { Jack } from '../../jack.ts'
import { isDocumentUrl } from '../../OAuthClient.ts'
import { OAuthError } from '../../OAuthError.ts'
import * as devices from '../../store/oauthDevices.ts'
import { findClient } from '../../verbs/find-client.ts'
import { grantDevice } from '../../verbs/grant-access.ts'
import type { Door } from '../Door.ts'
import { type Html, page } from '../pages/page.ts'
import { readForm, signedIn, signInUrl } from '../signedIn.ts'
import { askOf, requireSignedIn } from './authorize.ts'
import { consentPage, decisionOf } from './consent.ts'
import type { OAuthLimits } from './limits.ts'
import { clientIdOf, inOAuth, readParameters } from './request.ts'
import { issuerOf } from './resources.ts'

/** For programs on machines without a browser: a person types a code on any other one (RFC 8628). */
export function deviceDoor(app: Hono<Door>, jack: Jack, limits: OAuthLimits): void {
  app.use('/oauth/device_authorization', cors())
  app.post(
    '/oauth/device_authorization',
    inOAuth(async (c) => {
      await limits.device(c.get('address'))
      const parameters = await readParameters(c)
      const client = await findClient(jack, clientIdOf(c, parameters))
      if (!client) throw new OAuthError('invalid_client', 'This client is not known here.')
      const ask = askOf(jack, client, parameters)
      const expiresAt = new Date(jack.now().getTime() + deviceMs)
      const { deviceCode, userCode, intervalSeconds } = await devices.add(jack.db, ask, expiresAt)
      const uri = `${issuerOf(jack)}/device`
      return c.json({
        device_code: deviceCode,
        user_code: shown(userCode),
        verification_uri: uri,
        verification_uri_complete: `${uri}?user_code=${shown(userCode)}`,
        expires_in: deviceMs / 1_000,
        interval: intervalSeconds,
      })
    }),
  )

  const waiting = (accountId: string, typed: string | null) =>
    limits.typed(accountId, async () => {
      const code = userCodeOf(typed ?? '')
      return code === null ? undefined : devices.findWaiting(jack.db, code, jack.now())
    })

  app.get('/device', async (c) => {
    const { pathname, search } = new URL(c.req.url)
    const account = await signedIn(c, jack)
    if (!account) return c.redirect(signInUrl(pathname + search), 303)
    const typed = c.req.query('user_code')
    if (typed === undefined) return page(c, { title: 'Enter a code', body: codeForm() })
    const device = await waiting(account.accountId, typed)
    if (!device) return page(c, { title: 'Enter a code', status: 404, body: codeForm(unknownCode) })
    return consentPage(c, jack, { account, ...consentOf(device) })
  })

  app.post('/device', async (c) => {
    const form = await readForm(c, jack)
    const account = await requireSignedIn(c, jack)
    const device = await waiting(account.accountId, form.get('user_code'))
    if (!device) return page(c, { title: 'Enter a code', status: 404, body: codeForm(unknownCode) })
    const decision = decisionOf(form, device.ask)
    if (decision.kind === 'unclear')
      return consentPage(c, jack, { account, ...consentOf(device), problem: decision.problem })
    if (decision.kind === 'deny') {
      await devices.decide(jack.db, device.userCode, null)
      return page(c, {
        title: 'Not allowed',
        body: html`<p>It was told no. You can close this page.</p>`,
      })
    }
    const { terms } = decision
    const { accountId } = account
    const tokenId = await grantDevice(jack, accountId, device, terms)
    c.set('deed', { accountId, tokenId, operation: 'letIn', project: terms.project })
    return page(c, {
      title: 'Signed in',
      body: html`<p>${device.ask.clientName} is let in. Go back to it; you can close this page.</p>`,
    })
  })
}

const unknownCode = 'This code is not known: mistyped, answered, or older than ten minutes.'

/** A code as it was typed, in small letters or with spaces; null when it can be none. */
function userCodeOf(typed: string): string | null {
  const letters = typed.toUpperCase().replace(/[\s-]/g, '')
  return /^[A-Z]{8}$/.test(letters) ? letters : null
}

const shown = (userCode: string): string => `${userCode.slice(0, 4)}-${userCode.slice(4)}`

const codeForm = (problem?: string): Html => html`
${problem === undefined ? '' : html`<p class="alert" role="alert">${problem}</p>`}
<form method="get">
<label for="code">The code that the program shows</label>
<input id="code" name="user_code" class="mono" required maxlength="20" autocomplete="off" autocapitalize="characters" spellcheck="false" autofocus>
<button>Go on</button>
</form>`

const consentOf = ({ ask, userCode }: devices.Device) => ({
  client: {
    clientId: ask.clientId,
    name: ask.clientName,
    host: isDocumentUrl(ask.clientId) ? new URL(ask.clientId).host : null,
  },
  redirectUri: null,
  ask,
  here: `/device?user_code=${shown(userCode)}`,
  hidden: { user_code: userCode },
  first: html`<p>The program shows the code <strong class="mono">${shown(userCode)}</strong>. Go on only if you started it yourself and it shows
exactly this one: whoever sent you here would be let into your account.</p>`,
})
