import type { CreateToken } from '@jackcloud/sdk/wire'
import { fromUsd } from '@jackcloud/sdk/wire'
import type { z } from 'zod'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import { tokenRevoked } from '../store/notices.ts'
import * as tokens from '../store/tokens.ts'
import { findProject } from './find-project.ts'

/** Makes a token and answers it with its secret, which is kept nowhere. A confined token makes only its like. */
export async function issueToken(
  jack: Jack,
  payer: Payer,
  it: z.output<typeof CreateToken>,
): Promise<{ token: tokens.Token; secret: string }> {
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
      dailyCapMicroUsd:
        it.daily_cap_usd === undefined ? payer.dailyCapMicroUsd : fromUsd(it.daily_cap_usd),
      expiresAt: it.expires_in_hours
        ? new Date(jack.now().getTime() + it.expires_in_hours * 3_600_000)
        : null,
    },
    secret,
  )
  const token = await tokens.find(jack.db, payer.accountId, tokenId)
  if (!token) throw new JackError('internal', 'The token was not kept.')
  return { token, secret }
}

/** Ends a token at once, on every replica. False when the account has no such token. */
export async function revokeToken(jack: Jack, payer: Payer, tokenId: string): Promise<boolean> {
  const revoked = await jack.db.transaction().execute(async (db) => {
    await tokenRevoked(db)
    return tokens.revoke(db, payer.accountId, tokenId, jack.now())
  })
  jack.payers.forget()
  return revoked
}
