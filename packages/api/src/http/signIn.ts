import type { Context, Hono } from 'hono'
import { isLoopback } from '../Config.ts'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { ownPath } from '../OwnPath.ts'
import type { Hex } from '../Session.ts'
import * as accounts from '../store/accounts.ts'
import * as signIns from '../store/signIns.ts'
import { askGitHub, signInByGitHub } from '../verbs/sign-in-by-github.ts'
import { askWallet, signInByWallet } from '../verbs/sign-in-by-wallet.ts'
import type { Door } from './Door.ts'
import type { RateLimits } from './limit.ts'
import { signedInPage, signInPage, signMessagePage } from './pages/signIn.ts'
import { browserBinding, readForm, signedIn, signIn, signOut } from './signedIn.ts'

/** How people sign in with a browser: on their own machine, with a wallet, by GitHub. */
export function signInDoor(app: Hono<Door>, jack: Jack, limits: RateLimits): void {
  app.get('/sign-in', async (c) => {
    const elsewhere = officialUrl(c, jack)
    if (elsewhere) return c.redirect(elsewhere)
    const next = ownPath(c.req.query('next'), '')
    const account = await signedIn(c, jack)
    if (account) return signedInPage(c, jack, account, next)
    return signInPage(c, jack, { next, local: isHere(c, jack) })
  })

  app.post('/sign-in/local', limits.signIn, async (c) => {
    const form = await readForm(c, jack)
    const account = isHere(c, jack) && (await accounts.findBySlug(jack.db, 'local'))
    if (!account) {
      throw new JackError('forbidden', 'This is for a cloud on your own machine, and from there.', {
        hint: 'Sign in another way.',
      })
    }
    await signIn(c, jack, account.accountId)
    return c.redirect(nextOf(form), 303)
  })

  app.post('/sign-in/wallet', limits.signIn, async (c) => {
    const form = await readForm(c, jack)
    const address = form.get('address')?.trim().toLowerCase() ?? ''
    if (!/^0x[0-9a-f]{40}$/.test(address))
      throw new JackError('invalid_request', 'This is no address of a wallet.', {
        hint: 'It is 0x and 40 hex digits.',
      })
    const asked = await askWallet(jack, browserBinding(c, jack), address as Hex)
    return signMessagePage(c, jack, { ...asked, address, next: nextOf(form, '') })
  })

  app.post('/sign-in/wallet/signed', limits.signIn, async (c) => {
    const form = await readForm(c, jack)
    const accountId = await signInByWallet(jack, browserBinding(c, jack), {
      nonce: form.get('nonce') ?? '',
      signature: form.get('signature')?.trim() ?? '',
    })
    await signIn(c, jack, accountId)
    return c.redirect(nextOf(form), 303)
  })

  app.post('/sign-in/github', limits.signIn, async (c) => {
    const form = await readForm(c, jack)
    const { github } = jack
    if (!github) throw noGitHub()
    return c.redirect(await askGitHub(jack, github, browserBinding(c, jack), nextOf(form)), 303)
  })

  app.get('/sign-in/github/callback', limits.signIn, async (c) => {
    const { github } = jack
    if (!github) throw noGitHub()
    const { accountId, next } = await signInByGitHub(jack, github, browserBinding(c, jack), {
      state: c.req.query('state') ?? '',
      code: c.req.query('code'),
    })
    await signIn(c, jack, accountId)
    return c.redirect(next, 303)
  })

  app.post('/sign-out', async (c) => {
    const form = await readForm(c, jack)
    const account = form.has('everywhere') && (await signedIn(c, jack))
    if (account) await signIns.removeAll(jack.db, account.accountId)
    await signOut(c, jack)
    return c.redirect('/sign-in', 303)
  })
}

const nextOf = (form: URLSearchParams, otherwise = '/sign-in'): string =>
  ownPath(form.get('next') || undefined, otherwise)

const noGitHub = () =>
  new JackError('not_found', 'On this cloud nobody signs in by GitHub.', {
    hint: 'Its operator can change that: docs/sign-in.md.',
  })

/**
 * Whether whoever asks sits at the machine of a local cloud, and says so by the name that he asks for. Who comes through a
 * tunnel seems to be here too, but for what tunnels say.
 */
const isHere = (c: Context<Door>, { config, urls }: Jack): boolean =>
  config.local &&
  isLoopback(c.get('address')) &&
  !forwarded.some((name) => c.req.header(name) !== undefined) &&
  isLoopback(hostOf(c).hostname) &&
  isLoopback(new URL(urls.api).hostname)

const forwarded = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']

/**
 * The same page under the one name that cookies and messages are for; undefined at that name. On a machine of one's own it
 * is an IP address, not `localhost`, which is the parent of every live URL.
 */
function officialUrl(c: Context<Door>, { config, urls }: Jack): string | undefined {
  const { host, hostname } = hostOf(c)
  const moves = config.publicUrl !== undefined || isLoopback(hostname)
  if (!moves || host === new URL(urls.api).host) return undefined
  const { pathname, search } = new URL(c.req.url)
  return `${new URL(urls.api).origin}${pathname}${search}`
}

const hostOf = (c: Context<Door>): URL => new URL(`http://${c.req.header('host')}`)
