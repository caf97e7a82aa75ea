import { fromUsd, scopes } from '@jackcloud/sdk/wire'
import type { Jack } from '../jack.ts'
import * as accounts from '../store/accounts.ts'
import { createLedgerAccount, grant } from '../store/ledger.ts'
import * as tokens from '../store/tokens.ts'

/**
 * The development account of a local cloud, with its first credit. Answers its token: the one it had, while that
 * works, or a new one.
 */
export async function ensureLocalAccount(jack: Jack, known: string | undefined): Promise<string> {
  const account = await accounts.ensure(jack.db, {
    accountId: jack.newId('acc'),
    slug: 'local',
    kind: 'local',
  })
  await createLedgerAccount(jack.db, account.accountId)
  await grant(jack.db, {
    id: `grant:${account.accountId}:first`,
    accountId: account.accountId,
    amountMicroUsd: fromUsd(jack.config.localCreditUsd),
  })
  if (known && (await tokens.authenticate(jack.db, known, jack.now()))) return known
  const secret = tokens.newSecret()
  await tokens.add(
    jack.db,
    {
      tokenId: jack.newId('tok'),
      accountId: account.accountId,
      name: 'local cloud',
      scopes: [...scopes],
      projectId: null,
      dailyCapMicroUsd: null,
      expiresAt: null,
    },
    secret,
  )
  return secret
}
