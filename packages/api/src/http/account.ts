import { fromUsd, operations, prices, toUsd } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import * as accounts from '../store/accounts.ts'
import { balanceOf } from '../store/ledger.ts'
import { pendingOf } from '../store/runtime.ts'
import * as tokens from '../store/tokens.ts'
import { findAnyProject } from '../verbs/find-project.ts'
import { fund } from '../verbs/fund.ts'
import { issueToken, revokeToken } from '../verbs/issue-token.ts'
import type { Door } from './Door.ts'
import { pageOf, presentToken } from './present.ts'
import { route } from './route.ts'

export function accountDoor(app: Hono<Door>, jack: Jack): void {
  route(app, jack, operations.me, async ({ payer }) => {
    const account = await accounts.findById(jack.db, payer.accountId)
    if (!account) throw new JackError('not_found', 'This account does not exist any more.')
    const token =
      payer.tokenId === null
        ? undefined
        : await tokens.find(jack.db, payer.accountId, payer.tokenId)
    const { availableMicroUsd } = await balanceOf(jack.db, payer.accountId)
    return {
      account_id: account.accountId,
      slug: account.slug,
      kind: account.kind,
      address: account.address,
      balance_usd: toUsd(availableMicroUsd),
      token: token ? presentToken(token) : null,
    }
  })

  route(app, jack, operations.paymentTerms, async () => ({
    chain: jack.payments && {
      id: jack.payments.chain.id,
      // Where a public chain answers the operator may be his secret.
      rpc_url: jack.config.payments.chain === 'local' ? jack.payments.chain.rpcUrl : null,
      token: jack.payments.chain.token,
      payee: jack.payments.chain.payee,
      operator: jack.payments.chain.operator,
      escrow: jack.payments.chain.escrow,
    },
    prices: {
      execute_usd: toUsd(prices.execution),
      deploy_usd: toUsd(prices.deploy),
      deploy_once_usd: toUsd(prices.charge.deploy),
      deploy_once_hours: prices.charge.ttlHours,
      requests_per_million_usd: perMillion(prices.runtimeNanoUsd.request),
      cpu_ms_per_million_usd: perMillion(prices.runtimeNanoUsd.cpuMs),
      rows_read_per_million_usd: perMillion(prices.runtimeNanoUsd.d1RowRead),
      rows_written_per_million_usd: perMillion(prices.runtimeNanoUsd.d1RowWritten),
    },
    suggested_deposit_usd: toUsd(prices.suggestedDeposit),
  }))

  route(app, jack, operations.balance, async ({ payer }) => {
    await jack.recorder.flush()
    return presentBalance(payer.accountId)
  })

  route(app, jack, operations.addBalance, async ({ payer, body, claim }) => {
    const amountMicroUsd = fromUsd(body.amount_usd)
    const project =
      body.project === undefined ? null : await findAnyProject(jack, payer, body.project)
    const accountId = project?.accountId ?? payer.accountId
    const resumed = await fund(jack, payer, {
      id: `add:${claim.workId}`,
      amountMicroUsd,
      accountId,
      projectId: project?.projectId ?? null,
      repeated: claim.repeated,
    })
    const added_usd = toUsd(amountMicroUsd)
    // Of somebody else's projects nobody learns more than of that which he named.
    return accountId === payer.accountId
      ? { ...(await presentBalance(accountId)), added_usd, resumed }
      : { added_usd, resumed: resumed.filter((name) => name === project?.name) }
  })

  route(app, jack, operations.listTokens, async ({ payer, query }) => {
    const { limit, cursor: before } = query
    const found = await tokens.list(jack.db, payer.accountId, {
      limit: limit + 1,
      before,
      only: payer.projectId,
    })
    const { items, next_cursor } = pageOf(found, limit, (it) => it.tokenId)
    return { tokens: items.map(presentToken), next_cursor }
  })

  route(app, jack, operations.createToken, async ({ payer, body }) => {
    const { token, secret } = await issueToken(jack, payer, body)
    return { ...presentToken(token), token: secret }
  })

  route(app, jack, operations.revokeToken, async ({ payer, params }) => {
    if (!(await revokeToken(jack, payer, params.token))) {
      throw new JackError('not_found', 'There is no such token.', {
        next: [{ command: 'jack token ls', when: 'to see the ids' }],
      })
    }
    return { deleted: true as const, id: params.token }
  })

  async function presentBalance(accountId: string) {
    const { availableMicroUsd, heldMicroUsd } = await balanceOf(jack.db, accountId)
    return {
      balance_usd: toUsd(availableMicroUsd),
      held_usd: toUsd(heldMicroUsd),
      pending_usd: toUsd((await pendingOf(jack.db, accountId)) / 1_000n),
    }
  }
}

/** Of a unit's price in nano-USD. */
const perMillion = (nanoUsd: bigint): string => toUsd(nanoUsd * 1_000n)
