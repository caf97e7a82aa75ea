import { toUsd } from '@jackcloud/sdk/wire'
import { JackError, type Next } from './Errors.ts'

/** Why a project answers nobody: its account has nothing left, its budget is used up, or it was killed too often. */
export type SuspensionCode = 'balance' | 'budget' | 'runaway'

export interface Suspension {
  code: SuspensionCode
  since: Date
  evidence: Evidence
}

/** What was seen, as it is stored: nothing of it is told to visitors. */
export interface Evidence {
  /** Used beyond the last of the balance. */
  owed_nano_usd?: number
  budget?: 'daily' | 'total'
  limit_micro_usd?: number
  spent_nano_usd?: number
  strikes?: Strike[]
  last_lines?: string[]
}

/** One time that the engine ended an app. */
export interface Strike {
  deploymentId: string
  at: string
  reason: 'cpu' | 'memory' | 'crash' | 'storage'
  detail: string
  cpuMs: number | null
  memoryBytes: number | null
}

/** So many strikes within so long suspend a project. */
export const mostStrikes = 5
export const strikesMs = 600_000

/** What happened, in a sentence. */
export function reasonOf({ code, evidence }: Suspension): string {
  switch (code) {
    case 'balance':
      return "The balance of the app's account is used up."
    case 'budget':
      return evidence.budget === 'daily'
        ? 'The app has spent its budget for today (UTC).'
        : 'The app has spent its budget.'
    case 'runaway':
      return `The app was stopped ${evidence.strikes?.length ?? mostStrikes} times within ${strikesMs / 60_000} minutes.`
  }
}

/** How it goes on. */
export function wayBackOf({ code, evidence }: Suspension): string {
  switch (code) {
    case 'balance':
      return 'It comes back as soon as the balance is added to.'
    case 'budget':
      return evidence.budget === 'daily'
        ? 'It comes back at 00:00 UTC, or when its daily budget is raised.'
        : 'It comes back when its budget is raised or taken away.'
    case 'runaway':
      return 'It comes back when it is deployed again, rolled back or resumed.'
  }
}

export function nextOf({ code, evidence }: Suspension, name: string): Next[] {
  switch (code) {
    case 'balance':
      return [{ command: 'jack balance add 5', when: 'to bring all of your apps back' }]
    case 'budget': {
      const flag = evidence.budget === 'daily' ? '--daily' : '--total'
      const limit = BigInt(Math.max(1_000_000, 2 * (evidence.limit_micro_usd ?? 0)))
      const usd = toUsd(limit).replace(/\.?0+$/, '')
      return [
        { command: `jack budget ${name} ${flag} ${usd}`, when: 'to let it spend more' },
        { command: `jack budget ${name} ${flag} none`, when: 'to let it spend what there is' },
      ]
    }
    case 'runaway':
      return [
        { command: `jack logs ${name} --level error`, when: 'to see what it said last' },
        { command: 'jack deploy', when: 'once it is corrected' },
        { command: `jack rollback ${name}`, when: 'if the version before was well' },
        { command: `jack resume ${name}`, when: 'if it was not the app' },
      ]
  }
}

/** What somebody reads who wants something of a suspended project that has to wait. */
export function stillSuspended(project: { name: string }, suspension: Suspension): JackError {
  return new JackError(
    suspension.code === 'budget'
      ? 'budget_exceeded'
      : suspension.code === 'balance'
        ? 'insufficient_balance'
        : 'project_suspended',
    `The project ${project.name} is suspended. ${reasonOf(suspension)}`,
    {
      hint: wayBackOf(suspension),
      next: nextOf(suspension, project.name),
      fields: { suspension: suspension.code },
    },
  )
}
