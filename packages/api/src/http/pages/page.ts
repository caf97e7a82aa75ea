import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { accepts } from 'hono/accepts'
import { html, raw } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import type { JackError } from '../../Errors.ts'
import type { Door } from '../Door.ts'
import { style } from './style.ts'

/** A piece of HTML, made with `html` of hono/html, which escapes what is put into it. */
export type Html = HtmlEscapedString | Promise<HtmlEscapedString>

export interface Page {
  /** Of the window and, unless `heading` says otherwise, of the page. */
  title: string
  heading?: string
  body: Html
  status?: number
  /** JavaScript without which the page works too. Data comes by `data-` attributes: its text is fixed. */
  script?: string
  /** Origins that its forms may lead to, besides our own: browsers stop redirects to others. */
  formTo?: readonly string[]
}

/**
 * Answers a page in the one layout there is: no resource from elsewhere, nothing kept, in nobody's frame. The policy of
 * referrers is `same-origin`, not `no-referrer`: with that, our own forms would come with `Origin: null`.
 */
export async function page(c: Context<Door>, it: Page): Promise<Response> {
  const text = await layout(it)
  return c.body(String(text), (it.status ?? 200) as 200, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': policyOf(it),
    'referrer-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
    vary: 'accept, cookie',
  })
}

/** An error as a page for people. */
export const errorPage = (c: Context<Door>, error: JackError): Promise<Response> => {
  if (error.retryAfterSeconds !== undefined)
    c.header('retry-after', String(error.retryAfterSeconds))
  return page(c, {
    title: error.status === 404 ? 'Not found' : 'This did not work',
    status: error.status,
    body: html`<p>${error.message}</p>
      ${error.hint ? html`<p class="quiet">${error.hint}</p>` : ''}
      <p class="quiet">Request <code>${c.get('requestId')}</code></p>`,
  })
}

/** Whether a browser asks, that wants to show a page. Agents that read HTML too say what they would rather have. */
export const wantsPage = (c: Context<Door>): boolean =>
  accepts(c, {
    header: 'Accept',
    supports: [
      'application/json',
      'application/problem+json',
      'text/markdown',
      'text/plain',
      'text/html',
    ],
    default: 'application/json',
  }) === 'text/html'

const layout = ({ title, heading = title, body, script }: Page) => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Jack</title>
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(icon)}">
<style>${raw(style)}</style>
</head>
<body>
<header><a href="/">Jack</a></header>
<main>
<h1>${heading}</h1>
${body}
</main>
${script ? html`<script>${raw(script)}</script>` : ''}
</body>
</html>
`

const icon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#1f6f43"/><path d="M10 3v6.5a2.5 2.5 0 0 1-5 0" fill="none" stroke="#fff" stroke-width="2"/></svg>'

const policyOf = ({ script, formTo = [] }: Page): string =>
  [
    "default-src 'none'",
    `style-src ${hashOf(style)}`,
    'img-src data:',
    ...(script ? [`script-src ${hashOf(script)}`] : []),
    `form-action ${["'self'", ...formTo].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
