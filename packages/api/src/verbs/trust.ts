import type { CreateTrust } from '@jackcloud/sdk/wire'
import { fromUsd } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { type Payer, requireProject } from '../Payer.ts'
import { tokenRevoked } from '../store/notices.ts'
import * as trusts from '../store/trusts.ts'
import { requireNarrow, type Trust } from '../Trust.ts'
import { findProject } from './find-project.ts'

/** From now on, whoever proves to be the subject gets tokens for the project. Throws `conflict` when that is so already. */
export async function addTrust(jack: Jack, payer: Payer, it: CreateTrust): Promise<Trust> {
  requireNoCap(payer)
  jack.issuers.require(it.issuer)
  requireNarrow(it.issuer, it.subject)
  const { projectId } = await findProject(jack, payer, it.project)
  requireProject(payer, projectId)
  const trustId = jack.newId('tru')
  const isNew = await trusts.add(jack.db, {
    trustId,
    accountId: payer.accountId,
    issuer: it.issuer,
    subject: it.subject,
    projectId,
    scopes: it.scopes,
    dailyCapMicroUsd: fromUsd(it.daily_cap_usd),
  })
  const trust = await trusts.find(jack.db, trustId)
  if (isNew && trust) return trust
  throw new JackError('conflict', 'This project trusts that subject already.', {
    hint: 'Remove the trust first to change it.',
    next: [{ command: 'jack trust ls', when: 'to see the ids' }],
  })
}

/** Trusts nobody any more by this, and ends every token that was got by it, on every replica. False when there is none. */
export async function removeTrust(jack: Jack, payer: Payer, trustId: string): Promise<boolean> {
  const removed = await jack.db.transaction().execute(async (db) => {
    await tokenRevoked(db)
    return trusts.remove(db, payer.accountId, trustId, payer.projectId)
  })
  jack.payers.forget()
  return removed
}

/** Its tokens would have caps of their own. */
function requireNoCap(payer: Payer): void {
  if (payer.dailyCapMicroUsd === null) return
  throw new JackError('forbidden', 'A token with a daily cap makes no trusts.', {
    hint: 'Use a token without one.',
  })
}
