import { z } from 'zod'
import { Usd } from './Usd.ts'

const Address = z.string().regex(/^0x[0-9a-f]{40}$/)

/** How wallets pay here, and what things cost. */
export const PaymentTerms = z.object({
  /** The chain that is paid on; null when this cloud takes no payments by wallets. */
  chain: z
    .object({
      id: z.number().int(),
      /** Where it answers; null for a public chain, of which a wallet knows by itself. */
      rpc_url: z.url().nullable(),
      /** The stablecoin that is paid with. */
      token: Address,
      /** Who gets the money. */
      payee: Address,
      /** Who closes sessions. */
      operator: Address,
      /** What keeps the deposits of sessions. */
      escrow: Address,
    })
    .nullable(),
  prices: z.object({
    execute_usd: Usd,
    deploy_usd: Usd,
    /** By a charge instead of a session: live for `deploy_once_hours`. */
    deploy_once_usd: Usd,
    deploy_once_hours: z.number(),
    requests_per_million_usd: Usd,
    cpu_ms_per_million_usd: Usd,
    rows_read_per_million_usd: Usd,
    rows_written_per_million_usd: Usd,
  }),
  suggested_deposit_usd: Usd,
})
export type PaymentTerms = z.infer<typeof PaymentTerms>
