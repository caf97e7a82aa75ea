import { dirname, join } from 'node:path'
import type { Finding, Totals } from '@jackcloud/sdk/wire'
import { openOwnFile } from './ownFile.ts'

/** What bills of a cloud that added up left behind. */
interface KnownCloud {
  /** Keys that signed them. */
  key_ids: string[]
  /** Where each account's chain of receipts was. */
  chains: Record<string, { position: number; hash: string }>
}

/** A bill that adds up, and where it says it comes from. */
interface Seen {
  url: string
  totals: Totals
  receipts: readonly { hash: string }[]
}

/** `new` when nothing was known of that cloud; `changed` when a key signed that nobody saw before. */
export type KeyState = 'known' | 'new' | 'changed'

/** Beside the user's configuration. */
export const knownCloudsFile = (configFile: string): string =>
  join(dirname(configFile), 'clouds.json')

/**
 * Compares a bill with what was seen of that cloud before, and remembers it. A cloud that has its key can sign another
 * past than it told before: that is found here and nowhere else.
 *
 * @param whole the bill is the present one: what was there before must be in it
 */
export function compareAndRemember(
  file: string,
  { url, totals, receipts }: Seen,
  whole: boolean,
): { key: KeyState; finding: PastFinding | null } {
  const store = openOwnFile<Record<string, KnownCloud>>(
    file,
    'Mend it, or delete it; then keys of clouds are taken to be new.',
  )
  const known = store.get(url)
  const { account_id } = totals
  const before = known?.chains[account_id]
  const now = before && receipts[before.position - 1]
  if (before && (now ? now.hash !== before.hash : whole)) {
    const finding: PastFinding = {
      rule: 'past',
      position: before.position,
      receipt_id: null,
      expected: `the hash ${before.hash}, as it was verified before`,
      found: now?.hash ?? 'no such receipt',
    }
    return { key: keyState(known, totals), finding }
  }
  const last = receipts.at(-1)
  const chains = { ...known?.chains }
  if (last && receipts.length >= (before?.position ?? 0))
    chains[account_id] = { position: receipts.length, hash: last.hash }
  const key_ids = [...new Set([...(known?.key_ids ?? []), ...totals.key_ids])]
  store.set(url, { key_ids, chains })
  return { key: keyState(known, totals), finding: null }
}

type PastFinding = Omit<Finding, 'rule'> & { rule: 'past' }

const keyState = (known: KnownCloud | undefined, { key_ids }: Totals): KeyState =>
  known === undefined
    ? 'new'
    : key_ids.every((it) => known.key_ids.includes(it))
      ? 'known'
      : 'changed'
