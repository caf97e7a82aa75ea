import type { Suspension } from './Suspension.ts'

export type ProjectStatus = 'active' | 'suspended' | 'expired'

export interface Project {
  projectId: string
  accountId: string
  name: string
  /** DNS label of the live URL. */
  label: string
  status: ProjectStatus
  reason: string | null
  suspension: Suspension | null
  liveDeploymentId: string | null
  /** Changes with the environment: running versions restart under it. */
  envRevision: string
  budgetMicroUsd: bigint | null
  /** For each day in UTC. */
  dailyBudgetMicroUsd: bigint | null
  ttlHours: number | null
  /** When it ends as things stand; null for never. Of an expired project: when it ended. */
  expiresAt: Date | null
  /** When it was found to be over; null unless it is. */
  expiredAt: Date | null
  createdAt: Date
  updatedAt: Date
}

const hour = 3_600_000
const day = 24 * hour

/** How long an expired project can still be renewed and exported, in days. */
export const keptDays = 7

/**
 * When a project ends that was used now: after its own time to live, else after days without use; null for never.
 *
 * @param inactiveDays 0 for never
 */
export function expiryOf(ttlHours: number | null, inactiveDays: number, now: Date): Date | null {
  if (ttlHours !== null) return new Date(now.getTime() + ttlHours * hour)
  return inactiveDays === 0 ? null : new Date(now.getTime() + inactiveDays * day)
}

/** Whether its time is over, also when nobody has noted that yet. */
export const isExpired = (it: Pick<Project, 'status' | 'expiresAt'>, now: Date): boolean =>
  it.status === 'expired' || (it.expiresAt !== null && it.expiresAt <= now)

/** Whether it is time to warn: a day before the end, or a tenth of its time to live when that is less. */
export function endsSoon(it: Pick<Project, 'expiresAt' | 'ttlHours'>, now: Date): boolean {
  if (it.expiresAt === null) return false
  const warnMs = it.ttlHours === null ? day : Math.min(day, (it.ttlHours * hour) / 10)
  return it.expiresAt.getTime() - now.getTime() < warnMs
}

/** Until when an expired project is kept; null while it is not expired. */
export function keptUntil(it: Project, now: Date): Date | null {
  if (!isExpired(it, now)) return null
  const end = it.expiredAt ?? it.expiresAt ?? now
  return new Date(end.getTime() + keptDays * day)
}

/** What its owner should know now. */
export function warningsOf(it: Project, now: Date): string[] {
  const kept = keptUntil(it, now)
  if (kept)
    return [
      `${it.name} has expired. It is deleted at ${kept.toISOString()}: jack renew ${it.name} brings it back, jack export ${it.name} saves it.`,
    ]
  if (!endsSoon(it, now)) return []
  const why = it.ttlHours === null ? ' unless it is used' : ''
  return [
    `${it.name} expires at ${it.expiresAt?.toISOString()}${why}: jack renew ${it.name} gives it more time.`,
  ]
}
