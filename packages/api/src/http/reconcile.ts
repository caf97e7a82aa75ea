import type { ServerResponse } from 'node:http'
import { toUsd } from '@jackcloud/sdk/wire'
import type { Jack } from '../jack.ts'
import { type Reconciliation, reconcile } from '../verbs/reconcile.ts'
import { parseWhen } from '../When.ts'
import { asJackError, problemOf } from './problem.ts'

/** Answers what `reconcile` found as JSON, to the operator. `since` is a time in the words of `parseWhen`. */
export async function answerReconcile(
  jack: Jack,
  since: string | null,
  res: ServerResponse,
): Promise<void> {
  const send = (status: number, body: object) =>
    res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  try {
    const from = since === null ? null : parseWhen(since, jack.now())
    send(200, present(await reconcile(jack, { since: from })))
  } catch (error) {
    const known = asJackError(error)
    jack.log.error({ err: error }, 'reconciliation failed')
    send(known.status, problemOf(known, jack.newId('req')))
  }
}

const present = ({ chainId, at, since, differences, totals }: Reconciliation) => ({
  chain_id: chainId,
  at: at.toISOString(),
  since: since?.toISOString() ?? null,
  differences: differences.map(({ what, subject, amountMicroUsd, detail, advice }) => ({
    what,
    subject,
    amount_usd: amountMicroUsd === null ? null : toUsd(amountMicroUsd),
    detail,
    advice,
  })),
  sessions: totals.sessions,
  deposit_usd: toUsd(totals.depositMicroUsd),
  spent_usd: toUsd(totals.spentMicroUsd),
  held_usd: toUsd(totals.heldMicroUsd),
  unused_usd: toUsd(totals.unusedMicroUsd),
  at_risk_usd: toUsd(totals.atRiskMicroUsd),
  settled_usd: toUsd(totals.settledMicroUsd),
  charged_usd: toUsd(totals.chargedMicroUsd),
  lost_usd: toUsd(totals.lostMicroUsd),
  income_usd: toUsd(totals.incomeMicroUsd),
})
