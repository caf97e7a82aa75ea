import type { Scope } from '@jackcloud/sdk/wire'
import { JackError } from './Errors.ts'

/**
 * Who asks, and whose balance pays: the one seam between ways to pay. No verb asks how the money came.
 */
export interface Payer {
  accountId: string
  slug: string
  scopes: readonly Scope[]
  tokenId: string | null
  /** The only project that may be touched; null for all of the account's. */
  projectId: string | null
  dailyCapMicroUsd: bigint | null
}

/** The token whose daily cap a payment counts against. */
export const spendingToken = ({ tokenId, dailyCapMicroUsd }: Payer) =>
  tokenId === null ? null : { tokenId, dailyCapMicroUsd }

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
