import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Identity } from '../oidc/Issuers.ts'
import * as tokens from '../store/tokens.ts'
import * as trusts from '../store/trusts.ts'
import { matches, type Trust } from '../Trust.ts'

/** How long a token is good that a run of some CI got: longer than most of them take. */
const lifeMs = 3_600_000

/**
 * Gives whoever an issuer vouches for a token, as a trust says: for one project, for an hour, with the cap that all tokens of
 * that trust share. Answers it with its secret, which is kept nowhere.
 */
export async function exchangeToken(
  jack: Jack,
  it: { token: string; account?: string | undefined; project?: string | undefined },
): Promise<{ token: tokens.Token; secret: string }> {
  const identity = await jack.issuers.identify(it.token)
  const trust = await theTrust(jack, identity, it)
  const secret = tokens.newSecret()
  const tokenId = jack.newId('tok')
  await tokens.add(
    jack.db,
    {
      tokenId,
      accountId: trust.accountId,
      name: identity.subject.slice(0, 100),
      scopes: trust.scopes,
      projectId: trust.projectId,
      dailyCapMicroUsd: trust.dailyCapMicroUsd,
      expiresAt: new Date(jack.now().getTime() + lifeMs),
      trustId: trust.trustId,
    },
    secret,
  )
  await trusts.used(jack.db, trust.trustId, jack.now())
  const token = await tokens.find(jack.db, trust.accountId, tokenId)
  if (!token) throw new JackError('internal', 'The token was not kept.')
  return { token, secret }
}

async function theTrust(
  jack: Jack,
  { issuer, subject }: Identity,
  narrow: { account?: string | undefined; project?: string | undefined },
): Promise<Trust> {
  const known = await trusts.ofIssuer(jack.db, issuer, narrow)
  const [first, ...others] = known.filter((it) => matches(it.subject, subject))
  if (!first) {
    throw new JackError('forbidden', `Nobody here trusts "${subject}".`, {
      hint: 'The owner of the project adds a trust for it; every character of the subject counts.',
      next: [{ command: 'jack trust add --help', when: 'if you own the project' }],
    })
  }
  if (others.length > 0 && others.some((it) => it.projectId !== first.projectId)) {
    // Whoever is trusted by an account may know its name.
    throw new JackError('conflict', `Several projects trust "${subject}".`, {
      hint: 'Say which one: `account` is the slug of the owner, `project` the name.',
    })
  }
  return first
}
