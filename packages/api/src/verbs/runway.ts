import type { Jack } from '../jack.ts'
import { balanceOf } from '../store/ledger.ts'
import { pendingOf } from '../store/runtime.ts'
import * as usage from '../store/usage.ts'
import { costNanoUsd } from '../Usage.ts'

/** How long an account's balance lasts. */
export interface Runway {
  /** Less what was used and is not charged yet. */
  balanceNanoUsd: bigint
  /** What all of its projects cost in the last 24 hours, at list prices. */
  dayNanoUsd: bigint
  /** At that rate; null when nothing was used. */
  hours: number | null
}

export async function runwayOf(jack: Jack, accountId: string): Promise<Runway> {
  const { availableMicroUsd } = await balanceOf(jack.db, accountId)
  const left = availableMicroUsd * 1_000n - (await pendingOf(jack.db, accountId))
  const balanceNanoUsd = left > 0n ? left : 0n
  const since = new Date(jack.now().getTime() - 86_400_000)
  const dayNanoUsd = costNanoUsd(await usage.totalOf(jack.db, accountId, since))
  const hours = dayNanoUsd === 0n ? null : Number((balanceNanoUsd * 24n) / dayNanoUsd)
  return { balanceNanoUsd, dayNanoUsd, hours }
}
