import type { CreateToken } from '@jackcloud/sdk/wire'
import { fromUsd } from '@jackcloud/sdk/wire'
import type { z } from 'zod'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import { tokenRevoked } from '../store/notices.ts'
import * as tokens from '../store/tokens.ts'
import { findProject } from './find-project.ts'

/**
 * Makes a token and answers it with its secret, which is kept nowhere. A confined token makes only its like, one that
 * ends makes none that ends later, and one with a daily cap makes none: each would have a cap of its own.
 */
export async function issueToken(
  jack: Jack,
  payer: Payer,
  it: z.output<typeof CreateToken>,
): Promise<{ token: tokens.Token; secret: string }> {
  if (payer.dailyCapMicroUsd !== null) {
    throw new JackError('forbidden', 'A token with a daily cap makes no others.', {
      hint: 'Use a token without one.',
    })
  }
  const projectId = it.project
    ? (await findProject(jack, payer, it.project)).projectId
    : payer.projectId
  const secret = tokens.newSecret()
  const tokenId = jack.newId('tok')
  await tokens.add(
    jack.db,
    {
      tokenId,
      accountId: payer.accountId,
      name: it.name,
      scopes: it.scopes,
      projectId,
      dailyCapMicroUsd: it.daily_cap_usd === undefined ? null : fromUsd(it.daily_cap_usd),
      expiresAt: await expiryOf(jack, payer, it.expires_in_hours),
    },
    secret,
  )
  const token = await tokens.find(jack.db, payer.accountId, tokenId)
  if (!token) throw new JackError('internal', 'The token was not kept.')
  return { token, secret }
}

async function expiryOf(jack: Jack, payer: Payer, hours: number | undefined): Promise<Date | null> {
  const asked = hours === undefined ? null : new Date(jack.now().getTime() + hours * 3_600_000)
  const maker = payer.tokenId && (await tokens.find(jack.db, payer.accountId, payer.tokenId))
  const latest = maker ? maker.expiresAt : null
  return asked === null || (latest !== null && latest < asked) ? latest : asked
}

/** Ends a token at once, on every replica. False when the account has no such token. */
export async function revokeToken(jack: Jack, payer: Payer, tokenId: string): Promise<boolean> {
  const revoked = await jack.db.transaction().execute(async (db) => {
    await tokenRevoked(db)
    return tokens.revoke(db, payer.accountId, tokenId, jack.now(), payer.projectId)
  })
  jack.payers.forget()
  return revoked
}
