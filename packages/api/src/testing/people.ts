import type { Account } from '../store/accounts.ts'
import * as accounts from '../store/accounts.ts'
import { createLedgerAccount, grant } from '../store/ledger.ts'
import * as tokens from '../store/tokens.ts'
import type { TestCloud } from './cloud.ts'

/** A person with a token that may do everything, and as much money as is said. */
export async function person(
  { jack }: TestCloud,
  slug: string,
  microUsd = 1_000_000n,
): Promise<{ account: Account; token: string; headers: { authorization: string } }> {
  const account = await accounts.ensure(jack.db, {
    accountId: jack.newId('acc'),
    slug,
    kind: 'person',
  })
  const { accountId } = account
  await createLedgerAccount(jack.db, accountId)
  if (microUsd > 0n)
    await grant(jack.db, { id: `grant:${slug}`, accountId, amountMicroUsd: microUsd })
  const token = tokens.newSecret()
  await tokens.add(
    jack.db,
    {
      tokenId: jack.newId('tok'),
      accountId,
      name: slug,
      scopes: ['admin'],
      projectId: null,
      dailyCapMicroUsd: null,
      expiresAt: null,
    },
    token,
  )
  return { account, token, headers: { authorization: `Bearer ${token}` } }
}
