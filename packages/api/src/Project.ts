import { JackError } from './Errors.ts'

export type ProjectStatus = 'active' | 'suspended' | 'expired'

export interface Project {
  projectId: string
  accountId: string
  name: string
  /** DNS label of the live URL. */
  label: string
  status: ProjectStatus
  reason: string | null
  liveDeploymentId: string | null
  /** Changes with the environment: running versions restart under it. */
  envRevision: string
  budgetMicroUsd: bigint | null
  ttlHours: number | null
  expiresAt: Date | null
  createdAt: Date
  updatedAt: Date
}

/** When a project ends that was touched now; null for never. */
export const expiryOf = (ttlHours: number | null, now: Date): Date | null =>
  ttlHours === null ? null : new Date(now.getTime() + ttlHours * 3_600_000)

/** Throws what a caller should read when a project takes no new version. */
export function requireDeployable(project: Project): void {
  if (project.status === 'suspended') {
    throw new JackError(
      'project_suspended',
      `The project ${project.name} is suspended: ${project.reason}`,
      {
        hint: 'Add to the balance, then deploy again.',
      },
    )
  }
}
