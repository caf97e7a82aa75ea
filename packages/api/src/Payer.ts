import { prices, type Scope, scopes } from '@jackcloud/sdk/wire'
import type { Charge } from './Charge.ts'
import { JackError } from './Errors.ts'
import type { Authorization, Hex, Opening, Voucher } from './Session.ts'

/**
 * Who asks, and whose balance pays: the one seam between ways to pay. No verb asks how the money came.
 */
export interface Payer {
  accountId: string
  slug: string
  scopes: readonly Scope[]
  tokenId: string | null
  /** By which the token was got; all tokens of a trust share its cap. */
  trustId: string | null
  /** The only project that may be touched; null for all of the account's. */
  projectId: string | null
  dailyCapMicroUsd: bigint | null
  funding: Funding
}

/** What pays: the account's balance, a voucher of one of its sessions, or one transaction. */
export type Funding =
  | {
      kind: 'balance'
      /** What can be spent beside what was set aside last. */
      leftMicroUsd?: bigint
    }
  | {
      kind: 'session'
      voucher: Voucher
      /** The channel has to be opened first. */
      opening: Opening | null
      /** What the session had left when the voucher was accepted; null until then. */
      accepted: (Authorization & { openTx: Hex | null }) | null
    }
  | {
      kind: 'charge'
      charge: Charge
      /** Under which the work is asked for. */
      key?: string
      /** The transaction on chain, once it is paid. */
      paidBy: Hex | null
    }

/** The owner of a wallet, who may do everything with what is the wallet's. */
export const walletPayer = (
  account: { accountId: string; slug: string },
  funding: Funding,
): Payer => ({
  accountId: account.accountId,
  slug: account.slug,
  scopes,
  tokenId: null,
  trustId: null,
  projectId: null,
  dailyCapMicroUsd: null,
  funding,
})

/** What a deploy costs whom, and what it brings along. */
export const deployTerms = ({ funding }: Pick<Payer, 'funding'>) =>
  funding.kind === 'charge'
    ? {
        priceMicroUsd: prices.charge.deploy,
        includedMicroUsd: prices.charge.includedRuntime,
        ttlHours: prices.charge.ttlHours,
      }
    : {
        priceMicroUsd: prices.deploy,
        includedMicroUsd: prices.deployIncludedRuntime,
        ttlHours: null,
      }

/** The token, or the trust that it was got by, whose daily cap a payment counts against. */
export const spendingToken = ({ tokenId, trustId, dailyCapMicroUsd }: Payer) =>
  tokenId === null ? null : { tokenId: trustId ?? tokenId, dailyCapMicroUsd }

/** Throws `forbidden` unless the payer may do what a scope stands for. `admin` may do everything, `deploy` may read. */
export function requireScope(payer: Payer, scope: Scope): void {
  const has = (it: Scope) => payer.scopes.includes(it)
  if (has('admin') || has(scope) || (scope === 'read' && has('deploy'))) return
  throw new JackError('forbidden', `This token may not do that: it needs the scope "${scope}".`, {
    hint: `Its scopes are: ${payer.scopes.join(', ')}. Create another one with what it needs.`,
    next: [{ command: `jack token create --scope ${scope}`, when: 'if you have an admin token' }],
  })
}

/** Throws `forbidden` when the payer is confined to another project, or to one while `projectId` is a new one (null). */
export function requireProject(payer: Payer, projectId: string | null): void {
  if (payer.projectId === null || payer.projectId === projectId) return
  throw new JackError('forbidden', 'This token is confined to another project.', {
    hint: 'Use the token of this project, or one without a project.',
  })
}
