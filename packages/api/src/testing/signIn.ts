import { request } from 'undici'
import type { PrivateKeyAccount } from 'viem/accounts'
import type { Browser, Seen } from './browser.ts'

/** Signs a browser in with a wallet, as a person without JavaScript does. */
export async function byWallet(
  browser: Browser,
  wallet: PrivateKeyAccount,
): Promise<{ done: Seen; message: string; sent: Record<string, string> }> {
  const page = await browser.get('/sign-in')
  const csrf = page.field('csrf')
  const asked = await browser.post('/sign-in/wallet', { csrf, address: wallet.address })
  const message = messageIn(asked)
  const signature = await wallet.signMessage({ message })
  const nonce = asked.field('nonce')
  const sent = { csrf, nonce, signature }
  return { done: await browser.post('/sign-in/wallet/signed', sent), message, sent }
}

/** The text that a page asks to sign. */
export const messageIn = ({ text }: Seen): string =>
  (/<code id="message">([^<]*)<\/code>/.exec(text)?.[1] ?? '')
    .replaceAll('&lt;', '<')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')

/** Signs a browser in by GitHub. Answers what it got when it came back. */
export async function byGitHub(browser: Browser): Promise<Seen> {
  return browser.get(await wayBack(browser))
}

/** Goes to GitHub and agrees. Answers with which path the browser is sent back. */
export async function wayBack(browser: Browser): Promise<string> {
  const csrf = (await browser.get('/sign-in')).field('csrf')
  const there = await browser.post('/sign-in/github', { csrf })
  const { headers, body } = await request(there.location ?? '')
  await body.dump()
  const { pathname, search } = new URL(headers.location as string)
  return `${pathname}${search}`
}
