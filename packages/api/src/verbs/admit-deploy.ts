import { defaultCompatibilityDate, type Manifest, prices } from '@jackcloud/sdk/wire'
import { canonicalVersion, versionOf } from '../Deployment.ts'
import type { Jack } from '../jack.ts'
import { insufficientBalance } from '../Ledger.ts'
import type { Payer } from '../Payer.ts'
import { balanceOf } from '../store/ledger.ts'
import * as projects from '../store/projects.ts'
import { isLive } from './deploy.ts'

/**
 * Before files are stored: throws `insufficient_balance` when a deploy could not be paid, unless it would change
 * nothing and so be free. Nobody fills the disk for nothing.
 */
export async function admitDeploy(
  jack: Jack,
  payer: Payer,
  project: string,
  manifest: Manifest,
): Promise<void> {
  if (payer.funding.kind !== 'balance') return
  const { availableMicroUsd } = await balanceOf(jack.db, payer.accountId)
  if (availableMicroUsd >= prices.deploy) return
  const existing = await projects.find(jack.db, payer.accountId, project)
  const digest = jack.sha256(canonicalVersion(versionOf(manifest, defaultCompatibilityDate)))
  if (existing && (await isLive(jack, existing, digest, manifest))) return
  throw insufficientBalance(availableMicroUsd, prices.deploy)
}
