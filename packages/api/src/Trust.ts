import type { Scope } from '@jackcloud/sdk/wire'
import { JackError } from './Errors.ts'

export interface Trust {
  trustId: string
  accountId: string
  issuer: string
  /** With `*` at its end, whatever begins like this. */
  subject: string
  projectId: string
  projectName: string
  scopes: Scope[]
  dailyCapMicroUsd: bigint
  createdAt: Date
  lastUsedAt: Date | null
}

/** Whether a subject is one that is trusted. */
export const matches = (pattern: string, subject: string): boolean =>
  pattern.endsWith('*') ? subject.startsWith(pattern.slice(0, -1)) : subject === pattern

/** How subjects begin that name one repository, whatever comes then; at other issuers, subjects are whole. */
const repositories: Record<string, RegExp> = {
  'https://token.actions.githubusercontent.com': /^repo:[^/:*]+\/[^/:*]+:/,
  'https://gitlab.com': /^project_path:[^/:*]+\/[^:*]+:/,
}

/** Throws `invalid_request` for a pattern that trusts more than one repository: anybody may have the next one. */
export function requireNarrow(issuer: string, pattern: string): void {
  if (!pattern.endsWith('*') || repositories[issuer]?.test(pattern)) return
  throw new JackError('invalid_request', `The subject "${pattern}" would trust strangers.`, {
    hint: 'Name one repository before the `*`, such as "repo:octo/app:*", or the whole subject.',
  })
}
