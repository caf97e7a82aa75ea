import { prices, toUsd } from '@jackcloud/sdk/wire'
import type { Context } from 'hono'
import { html } from 'hono/html'
import type { Jack } from '../../jack.ts'
import type { Project } from '../../Project.ts'
import type { Account } from '../../store/accounts.ts'
import type { Door } from '../Door.ts'
import { csrfField } from '../signedIn.ts'
import { page } from './page.ts'
import { nameOf } from './signIn.ts'

/** What a link is for, and what it means to take it. */
export function claimPage(
  c: Context<Door>,
  jack: Jack,
  it: { project: Project; account: Account | null; link: string; signIn: string },
): Promise<Response> {
  const { project, account } = it
  const url = jack.urls.project(project.label)
  return page(c, {
    title: `Keep ${project.name}`,
    heading: 'Keep this project?',
    body: html`<dl>
        <dt>Project</dt><dd>${project.name}</dd>
        <dt>Live at</dt><dd><a href="${url}" rel="noopener noreferrer">${url}</a></dd>
        <dt>Made</dt><dd>${day(project.createdAt)}</dd>
        ${project.expiresAt ? html`<dt>Ends</dt><dd>${day(project.expiresAt)}, unless ${project.ttlHours === null ? 'it is used' : 'somebody keeps it'}</dd>` : ''}
        ${account ? html`<dt>You are</dt><dd>${nameOf(account)}</dd>` : ''}
      </dl>
      <p>Its code, data, settings and URL become those of your account. Whoever deployed it can not change it any more.</p>
      <p class="alert">Its code runs as yours from then on, and your balance pays for what it uses:
        ${perMillion(prices.runtimeNanoUsd.request)} for a million requests. Keep only what you, or your agent, deployed.</p>
      ${
        account
          ? html`<form method="post" action="/claim">${csrfField(c, jack)}
              <input type="hidden" name="link" value="${it.link}">
              <button>Keep it</button></form>
            <p class="quiet"><a href="/sign-in">You are somebody else?</a></p>`
          : html`<p><a class="button" href="${it.signIn}">Sign in to keep it</a></p>
            <p class="quiet">This link works once, until a day after the deploy. Without it nothing changes.</p>`
      }`,
  })
}

export function claimedPage(
  c: Context<Door>,
  jack: Jack,
  it: { project: Project; account: Account; hasBalance: boolean },
): Promise<Response> {
  const { project, account } = it
  const url = jack.urls.project(project.label)
  return page(c, {
    title: `${project.name} is yours`,
    body: html`<dl>
        <dt>Live at</dt><dd><a href="${url}" rel="noopener noreferrer">${url}</a></dd>
        <dt>Account</dt><dd>${nameOf(account)}</dd>
      </dl>
      <p>The URL stays as it is. To change the project, sign in where its source is, and deploy:</p>
      <pre tabindex="0" aria-label="Commands"><code>jack login --url ${jack.urls.api}
jack deploy --name ${project.name}</code></pre>
      ${
        it.hasBalance
          ? ''
          : html`<p class="alert">This account has no balance. When the runtime that the deploy brought along is used up, the
              project waits until somebody adds some: <code>jack balance add 1 --project ${url}</code></p>`
      }`,
  })
}

const day = (it: Date): string => `${it.toISOString().slice(0, 16).replace('T', ' ')} UTC`

const perMillion = (nanoUsd: bigint): string => `$${toUsd(nanoUsd * 1_000n).slice(0, -4)}`
