import { operations } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Hex } from '../Session.ts'
import { balanceOf } from '../store/ledger.ts'
import { askForClaim, claim } from '../verbs/claim.ts'
import { claimByLink, projectOfLink } from '../verbs/claim-link.ts'
import type { Door } from './Door.ts'
import type { RateLimits } from './limit.ts'
import { claimedPage, claimPage } from './pages/claim.ts'
import { route } from './route.ts'
import { readForm, signedIn, signInUrl } from './signedIn.ts'

/** How somebody gets what a wallet deployed: by a signature of the wallet, or by the link of a deploy. */
export function claimDoor(app: Hono<Door>, jack: Jack, limits: RateLimits): void {
  app.use('/v1/claim/*', limits.signIn)
  route(app, jack, operations.prepareClaim, async ({ payer, body }) => {
    const address = body.address.toLowerCase() as Hex
    const { nonce, message, expiresAt } = await askForClaim(jack, payer, {
      address,
      names: body.projects,
    })
    return { nonce, message, expires_at: expiresAt.toISOString() }
  })

  route(app, jack, operations.claim, ({ payer, body }) => claim(jack, payer, body))

  app.get('/claim', limits.signIn, async (c) => {
    const link = linkIn(c.req.query('link'))
    const project = await projectOfLink(jack, link)
    const account = await signedIn(c, jack)
    const signIn = signInUrl(`/claim?link=${link}`)
    return claimPage(c, jack, { project, account, link, signIn })
  })

  app.post('/claim', limits.signIn, async (c) => {
    const form = await readForm(c, jack)
    const account = await signedIn(c, jack)
    const link = linkIn(form.get('link') ?? undefined)
    if (!account) return c.redirect(signInUrl(`/claim?link=${link}`), 303)
    const { accountId } = account
    c.set('deed', { accountId, tokenId: null, operation: 'claim', project: null })
    const project = await claimByLink(jack, account, link)
    c.set('deed', { accountId, tokenId: null, operation: 'claim', project: project.name })
    const { availableMicroUsd } = await balanceOf(jack.db, accountId)
    return claimedPage(c, jack, { project, account, hasBalance: availableMicroUsd > 0n })
  })
}

function linkIn(given: string | undefined): string {
  if (given && /^[A-Za-z0-9_-]{43}$/.test(given)) return given
  throw new JackError('not_found', 'This is no link of a deploy.', {
    hint: 'It is printed by a deploy that a wallet paid for. Copy it whole.',
  })
}
