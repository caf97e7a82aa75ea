import { z } from 'zod'
import { Timestamp } from './Names.ts'
import { nextCursor } from './Page.ts'
import { Usd } from './Usd.ts'

/** One open payment channel between a payer and Jack: deposit >= authorized >= spent. */
export const Session = z.object({
  session_id: z.string(),
  /** Of the channel on chain. */
  channel_id: z.string(),
  payer: z.string(),
  /** `closing`: takes no more vouchers, and is about to be settled on chain. */
  status: z.enum(['open', 'closing', 'closed']),
  /** On chain. */
  deposit_usd: Usd,
  /** The highest voucher: the most that Jack may ever take. */
  authorized_usd: Usd,
  /** What was delivered: what Jack takes when the session closes. */
  spent_usd: Usd,
  /** Set aside for work in progress. */
  held_usd: Usd,
  /** Added to balances and not used yet: goes back to the payer when the session closes. */
  unused_usd: Usd,
  opened_at: Timestamp,
  used_at: Timestamp,
  closed_at: Timestamp.nullable(),
  /** How it ended on chain; null until then. */
  close: z
    .object({ tx_hash: z.string().nullable(), captured_usd: Usd, refunded_usd: Usd })
    .nullable(),
  chain_id: z.number().int(),
  open_tx_hash: z.string().nullable(),
})
export type Session = z.infer<typeof Session>

export const SessionPage = z.object({ sessions: z.array(Session), ...nextCursor })
