import type { Jack } from '../jack.ts'
import * as grants from '../store/oauthGrants.ts'
import { endGrant } from './redeem-code.ts'

/** A client gives back what it got, by its access or its refresh token (RFC 7009). Of what is not its own nothing happens. */
export async function revokeGrant(
  jack: Jack,
  { clientId, secret }: { clientId: string; secret: string },
): Promise<void> {
  const ended = await jack.db.transaction().execute(async (db) => {
    const grant = await grants.findBySecret(db, secret)
    return grant?.clientId === clientId && endGrant(db, grant.tokenId, jack.now())
  })
  if (ended) jack.payers.forget()
}
