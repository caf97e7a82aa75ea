import type { Context } from 'hono'
import { html } from 'hono/html'
import type { Jack } from '../../jack.ts'
import type { Account } from '../../store/accounts.ts'
import type { Door } from '../Door.ts'
import { csrfField } from '../signedIn.ts'
import { type Html, page } from './page.ts'
import { walletScript } from './walletScript.ts'

/** @param it.next where to go on; '' for nowhere */
export function signInPage(
  c: Context<Door>,
  jack: Jack,
  it: { next: string; local: boolean },
): Promise<Response> {
  const hidden = html`${csrfField(c, jack)}<input type="hidden" name="next" value="${it.next}">`
  const ways: ((look: string) => Html)[] = []
  if (it.local)
    ways.push(
      (look) => html`<form method="post" action="/sign-in/local">${hidden}
        <button class="${look}">Sign in on this machine</button></form>`,
    )
  if (jack.github)
    ways.push(
      (look) => html`<form method="post" action="/sign-in/github">${hidden}
        <button class="${look}">Sign in with GitHub</button></form>`,
    )
  if (jack.payments)
    ways.push(
      (look) => html`<form method="post" action="/sign-in/wallet" data-wallet>${hidden}
        <div data-typed>
          ${look === '' ? '' : html`<hr>`}
          <label for="address">Address of your wallet</label>
          <input id="address" name="address" class="mono" required pattern="\\s*0x[0-9a-fA-F]{40}\\s*"
            placeholder="0x…" autocomplete="off" autocapitalize="off" spellcheck="false" aria-describedby="address-help">
          <p id="address-help" class="quiet">You sign a message with it in the next step. That costs nothing.</p>
        </div>
        <p role="status" class="quiet" data-said hidden></p>
        <button class="${look}">Sign in with a wallet</button></form>`,
    )
  return page(c, {
    title: 'Sign in',
    ...(jack.payments && { script: walletScript }),
    ...(jack.github && { formTo: [jack.github.origin] }),
    body: html`${ways.map((way, i) => way(i === 0 ? '' : 'second'))}
      ${
        ways.length === 0
          ? html`<p>On this cloud people can not sign in with a browser. Its operator gives out tokens.</p>
            <p class="quiet">For operators: docs/sign-in.md says how to set up GitHub, or payments for wallets.</p>`
          : html`<p class="quiet">No account is needed before: the first time makes it. Jack asks for no e-mail address and
            keeps none. What it keeps in your browser is one cookie, for 30 days.</p>`
      }`,
  })
}

/** The message that a wallet is asked to sign. */
export function signMessagePage(
  c: Context<Door>,
  jack: Jack,
  it: { nonce: string; message: string; address: string; next: string },
): Promise<Response> {
  return page(c, {
    title: 'Sign this message',
    script: walletScript,
    body: html`<p>It proves that the wallet is yours. It moves no money, and is good once, for ten minutes.</p>
      <pre tabindex="0" aria-label="The message"><code id="message">${it.message}</code></pre>
      <form method="post" action="/sign-in/wallet/signed" data-sign data-address="${it.address}">
        ${csrfField(c, jack)}
        <input type="hidden" name="next" value="${it.next}">
        <input type="hidden" name="nonce" value="${it.nonce}">
        <p role="status" class="quiet" data-said hidden></p>
        <div data-typed>
          <label for="signature">Signature</label>
          <textarea id="signature" name="signature" rows="4" required autocomplete="off" spellcheck="false"
            aria-describedby="signature-help"></textarea>
          <p id="signature-help" class="quiet">Sign exactly this text with any tool that does <code>personal_sign</code>
            (EIP-191), and paste what it answers: 0x and 130 hex digits.</p>
        </div>
        <button>Sign in</button>
      </form>
      <p class="quiet"><a href="/sign-in">Sign in another way</a></p>`,
  })
}

export function signedInPage(
  c: Context<Door>,
  jack: Jack,
  account: Account,
  next: string,
): Promise<Response> {
  return page(c, {
    title: 'You are signed in',
    body: html`<dl><dt>Account</dt><dd>${nameOf(account)}</dd></dl>
      ${next ? html`<p><a class="button" href="${next}">Go on</a></p>` : ''}
      <form method="post" action="/sign-out">${csrfField(c, jack)}
        <button class="second">Sign out</button>
        <button class="second" name="everywhere" value="yes">Sign out everywhere</button></form>
      <p class="quiet">This ends what browsers may do. Tokens of programs go on: <code>jack token ls</code> shows them.</p>`,
  })
}

/** What an account is called on a page. */
export const nameOf = ({ slug, kind, address }: Account): string => {
  if (kind === 'local') return `${slug} (of this machine)`
  return address ? `${slug} (wallet ${address.slice(0, 6)}…${address.slice(-4)})` : slug
}
