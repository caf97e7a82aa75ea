import type { Context } from 'hono'
import { JackError } from '../../Errors.ts'
import type { Jack } from '../../jack.ts'
import type { Door } from '../Door.ts'

/**
 * Throws `forbidden` for a page of another site, also of one whose name was made to lead here (DNS rebinding): a browser says
 * in `Origin` where the page is from. Whoever is no browser sends none. Requests under other names than the API's do not come this far.
 */
export function requireOwnOrigin(c: Context<Door>, { urls }: Jack): void {
  const origin = c.req.header('origin')
  if (origin === undefined || origin === new URL(urls.api).origin) return
  const host = URL.canParse(origin) ? new URL(origin).host : ''
  if (host !== '' && host === new URL(c.req.url).host) return
  throw new JackError('forbidden', 'Pages of other sites may not use this server.', {
    hint: 'MCP clients are programs of their own: they send no Origin.',
  })
}

/** Throws `invalid_request` for a secret in a URL: those are kept in logs and histories. */
export function requireNoSecret(c: Context<Door>): void {
  const secret = Object.entries(c.req.query()).some(
    ([name, value]) =>
      /token|key|secret|authorization/i.test(name) || /^(jkt_|0x[0-9a-f]{64}$)/i.test(value),
  )
  if (!secret) return
  throw new JackError(
    'invalid_request',
    'A token does not belong into a URL: those are written down everywhere.',
    {
      hint: 'Send it as "Authorization: Bearer jkt_...", and revoke this one.',
      next: [{ command: 'jack token rm <id>', when: 'if it was a real one' }],
    },
  )
}
