import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Context } from 'hono'
import { setCookie } from 'hono/cookie'
import { html } from 'hono/html'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { ownPath } from '../OwnPath.ts'
import type { Account } from '../store/accounts.ts'
import * as signIns from '../store/signIns.ts'
import { readText } from './body.ts'
import type { Door } from './Door.ts'

/*
 * A browser has one cookie of ours: 256 random bits. It is signed in while the table says so.
 *
 * Live URLs are subdomains of the same domain, so hostile apps are "same-site" to us: SameSite stops none of their
 * requests, and they can set cookies for the whole domain. What holds against them:
 * - the prefix __Host-, by which browsers take the cookie from this very host only (RFC 6265bis, 4.1.3). A local cloud
 *   speaks plain http, where browsers do not have it: two cookies of the name count as none there, and no browser lets
 *   `x.localhost` set one for `127.0.0.1`;
 * - the Origin of every form that is sent, and a token in it that is made of the cookie;
 * - a new cookie at every sign-in, so that one that was planted before is worth nothing.
 */

/** Whose browser this is; null when nobody is signed in. */
export async function signedIn(c: Context<Door>, jack: Jack): Promise<Account | null> {
  const secret = browserOf(c, jack)
  const found = secret && (await signIns.find(jack.db, secret, jack.now()))
  if (!found) return null
  if (found.renewed) keep(c, jack, secret, signIns.signedInDays)
  return found.account
}

/** Where to send who is not signed in. @param next a path of ours, to come back to */
export const signInUrl = (next: string): string =>
  `/sign-in?next=${encodeURIComponent(ownPath(next))}`

/** Signs the browser in, with a cookie that nobody has seen before. */
export async function signIn(c: Context<Door>, jack: Jack, accountId: string): Promise<void> {
  await forget(c, jack)
  const secret = newBrowser()
  await signIns.add(jack.db, secret, accountId, jack.now())
  keep(c, jack, secret, signIns.signedInDays)
  c.set('deed', { accountId, tokenId: null, operation: 'signIn', project: null })
}

export async function signOut(c: Context<Door>, jack: Jack): Promise<void> {
  await forget(c, jack)
  setCookie(c, 'jack', '', { ...attributesOf(jack), maxAge: 0 })
}

/**
 * What a form of this browser has to bring along, as `csrf`. Gives the browser its cookie when it has none.
 * Stays the same until somebody signs in or out.
 */
export const csrfToken = (c: Context<Door>, jack: Jack): string => derived(ensureBrowser(c, jack))

/** The field of a form with the `csrfToken`. */
export const csrfField = (c: Context<Door>, jack: Jack) =>
  html`<input type="hidden" name="csrf" value="${csrfToken(c, jack)}">`

/** Throws `forbidden` unless a page of this very origin sent the request, with the token of this browser. */
export function requireCsrf(c: Context<Door>, jack: Jack, token: string | null): void {
  requireOwnOrigin(c, jack)
  const browser = browserOf(c, jack)
  const given = Buffer.from(token ?? '')
  const right = Buffer.from(browser ? derived(browser) : '')
  if (browser && given.length === right.length && timingSafeEqual(given, right)) return
  throw new JackError('forbidden', 'This page is too old, or your browser keeps no cookies.', {
    hint: 'Go back, load the page again, and send it once more.',
  })
}

/** The fields of a form that a page of ours sent. Throws `forbidden` as `requireCsrf`. */
export async function readForm(c: Context<Door>, jack: Jack): Promise<URLSearchParams> {
  requireOwnOrigin(c, jack)
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded')
    throw new JackError('invalid_request', 'This is not what a form sends.')
  const form = new URLSearchParams(await readText(c, 65_536))
  requireCsrf(c, jack, form.get('csrf'))
  return form
}

/** To what the answer of this browser may be bound, such as the `state` of a way to another server and back. */
export const browserBinding = (c: Context<Door>, jack: Jack): string =>
  createHmac('sha256', ensureBrowser(c, jack)).update('binding').digest('base64url')

/**
 * Browsers send an Origin with every POST, and pages cannot choose it. A page without a referrer would be `null`, which is
 * why ours have the policy `same-origin`.
 */
function requireOwnOrigin(c: Context<Door>, { urls }: Jack): void {
  const own = new URL(urls.api)
  const origin = c.req.header('origin')
  const site = c.req.header('sec-fetch-site')
  const here = `${own.protocol}//${c.req.header('host')?.toLowerCase()}`
  if ((origin === here || origin === own.origin) && (site === undefined || site === 'same-origin'))
    return
  throw new JackError('forbidden', 'Another site sent this form. Nothing was done.', {
    hint: `Open ${urls.api} yourself if you meant it.`,
  })
}

async function forget(c: Context<Door>, jack: Jack): Promise<void> {
  const secret = browserOf(c, jack)
  if (secret) await signIns.remove(jack.db, secret)
  c.set('browser', null)
}

const newBrowser = (): string => randomBytes(32).toString('base64url')

const derived = (browser: string): string =>
  createHmac('sha256', browser).update('csrf').digest('base64url')

function ensureBrowser(c: Context<Door>, jack: Jack): string {
  const known = browserOf(c, jack)
  if (known) return known
  const made = newBrowser()
  keep(c, jack, made)
  return made
}

/** What the cookie holds; null when there is none, or nobody can say which one is ours. */
function browserOf(c: Context<Door>, jack: Jack): string | null {
  const known = c.get('browser')
  if (known) return known
  const name = `${isHttps(jack) ? '__Host-' : ''}jack=`
  const values = (c.req.header('cookie') ?? '')
    .split(';')
    .map((it) => it.trim())
    .filter((it) => it.startsWith(name))
    .map((it) => it.slice(name.length))
  const [value] = values
  return values.length === 1 && value && /^[A-Za-z0-9_-]{43}$/.test(value) ? value : null
}

/** @param days without, until the browser is closed */
function keep(c: Context<Door>, jack: Jack, secret: string, days?: number): void {
  const maxAge = days === undefined ? {} : { maxAge: days * 86_400 }
  setCookie(c, 'jack', secret, { ...attributesOf(jack), ...maxAge })
  c.set('browser', secret)
}

const attributesOf = (jack: Jack) => ({
  path: '/',
  httpOnly: true,
  sameSite: 'Lax' as const,
  ...(isHttps(jack) && { secure: true, prefix: 'host' as const }),
})

const isHttps = ({ urls }: Jack): boolean => urls.api.startsWith('https:')
