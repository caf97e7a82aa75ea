import { fromUsd, type Scope, UsdInput } from '@jackcloud/sdk/wire'
import type { Context } from 'hono'
import { html } from 'hono/html'
import { type Ask, scopeWords, type Terms } from '../../Grant.ts'
import type { Jack } from '../../jack.ts'
import { commandLine, type OAuthClient } from '../../OAuthClient.ts'
import type { Account } from '../../store/accounts.ts'
import * as projects from '../../store/projects.ts'
import type { Door } from '../Door.ts'
import { type Html, page } from '../pages/page.ts'
import { csrfField, signInUrl } from '../signedIn.ts'

export interface Consent {
  account: Account
  client: Pick<OAuthClient, 'clientId' | 'name' | 'host'>
  /** Where the browser is sent afterwards; null when it is nowhere. */
  redirectUri: string | null
  ask: Ask
  /** The path of the page. */
  here: string
  /** Fields that the form brings along. */
  hidden: Record<string, string>
  /** What is asked before anything else. */
  first?: Html
  /** What was wrong with the answer before. */
  problem?: string
}

/** Asks a person whether a program may use the account, for what, and for how much a day. The answer is posted to the same path. */
export async function consentPage(c: Context<Door>, jack: Jack, it: Consent): Promise<Response> {
  const { account, client, redirectUri, ask } = it
  const own = await projects.list(jack.db, account.accountId, { limit: 200 })
  const isOurs = client.clientId === commandLine.clientId
  return page(c, {
    title: 'Let a program in',
    heading: `Let ${client.name} use your account?`,
    status: it.problem === undefined ? 200 : 400,
    formTo: redirectUri === null ? [] : [sourceOf(redirectUri)],
    body: html`${it.problem === undefined ? '' : html`<p class="alert" role="alert">${it.problem}</p>`}
${it.first ?? ''}
<dl>
<dt>Account</dt><dd>${account.slug}</dd>
<dt>Program</dt><dd>${client.name}</dd>
${ask.deviceName === null ? '' : html`<dt>Machine</dt><dd>${ask.deviceName}, as it says</dd>`}
<dt>Vouched for</dt><dd>${vouchedFor(client)}</dd>
${redirectUri === null ? '' : html`<dt>Goes back to</dt><dd>${placeOf(redirectUri)}</dd>`}
<dt>For</dt><dd>${ask.resource === 'mcp' ? 'the tools of the MCP server' : 'everything that Jack does'}</dd>
</dl>
<form method="post">
${csrfField(c, jack)}
${Object.entries(it.hidden).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}
<fieldset>
<legend>It may</legend>
${ask.scopes.map(
  (scope) =>
    html`<label class="choice"><input type="checkbox" name="scope" value="${scope}" checked> <span>${scopeWords[scope]}</span></label>`,
)}
</fieldset>
<label for="cap">Most that it may spend a day, in USD</label>
<input id="cap" name="daily_cap_usd" inputmode="decimal" pattern="\\s*[0-9]{1,7}([.][0-9]{1,6})?\\s*" value="${isOurs ? '' : '5'}" aria-describedby="cap-help" autocomplete="off">
<p class="quiet" id="cap-help">Empty is no limit. 0 lets it do only what is free.</p>
${
  own.length === 0
    ? ''
    : html`<label for="project">In which project</label>
<select id="project" name="project"><option value="">All of them</option>
${own.map(({ name }) => html`<option>${name}</option>`)}
</select>`
}
<button name="decision" value="allow">Allow</button>
<button class="second" name="decision" value="deny" formnovalidate>Do not allow</button>
</form>
<p class="quiet">Not your account? <a href="${signInUrl(it.here)}">Sign in to another one</a>.</p>
<p class="quiet">${isOurs ? 'It ends after 90 days' : 'It ends when it is not used for 60 days'}, or at once with <code>jack token rm</code>.</p>`,
  })
}

type Decision =
  | { kind: 'allow'; terms: Terms }
  | { kind: 'deny' }
  | { kind: 'unclear'; problem: string }

/** What the person said. Anything but a clear yes is none. */
export function decisionOf(form: URLSearchParams, ask: Ask): Decision {
  if (form.get('decision') !== 'allow') return { kind: 'deny' }
  const chosen = form.getAll('scope')
  const scopes = ask.scopes.filter((it: Scope) => chosen.includes(it))
  if (scopes.length === 0)
    return { kind: 'unclear', problem: 'Choose something that it may do, or do not allow it.' }
  const cap = (form.get('daily_cap_usd') ?? '').trim()
  const parsed = UsdInput.safeParse(cap)
  if (cap !== '' && !parsed.success)
    return {
      kind: 'unclear',
      problem: `"${cap.slice(0, 20)}" is not an amount in USD, such as 5 or 0.50.`,
    }
  return {
    kind: 'allow',
    terms: {
      scopes,
      project: form.get('project') || null,
      dailyCapMicroUsd: cap === '' ? null : fromUsd(cap),
    },
  }
}

const vouchedFor = ({ clientId, host }: Consent['client']): Html | string =>
  clientId === commandLine.clientId
    ? 'by Jack: it is a part of it'
    : host === null
      ? 'by nobody: it registered itself, under a name of its choice'
      : html`by <strong>${host}</strong>`

/** Whom the browser is sent to. */
function placeOf(redirectUri: string): Html {
  const { protocol, hostname, host } = new URL(redirectUri)
  if (protocol === 'http:') return html`a program on this machine (${hostname})`
  if (protocol === 'https:') return html`<strong>${host}</strong>`
  return html`an app on this machine (${protocol})`
}

/** What a policy calls the place (CSP3, `form-action`), which has no words for IPv6 addresses. */
function sourceOf(redirectUri: string): string {
  const { protocol, host } = new URL(redirectUri)
  const isHttp = protocol === 'http:' || protocol === 'https:'
  return isHttp && !host.startsWith('[') ? `${protocol}//${host}` : protocol
}
