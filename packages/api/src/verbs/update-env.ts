import { limits } from '@jackcloud/sdk/wire'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import * as projects from '../store/projects.ts'
import { changeOwn } from './change-project.ts'

/** Merges into the project's environment. Its versions start anew under it with their next request, losing none. */
export async function updateEnv(
  jack: Jack,
  project: Project,
  tokenId: string | null,
  changes: Record<string, string | null>,
): Promise<void> {
  requireValues(changes)
  await changeOwn(jack, project, async (db) => {
    await projects.change(db, project.projectId, { envRevision: jack.newId('env') })
    await jack.env.merge(db, project.projectId, changes, {
      maxNames: limits.envNames,
      tokenId,
    })
  })
}

/** Throws `invalid_request` when there are too many, or a value is too long or can't be one. */
export function requireValues(changes: Record<string, string | null>): void {
  // As many as there can be go, and as many come.
  if (Object.keys(changes).length > 2 * limits.envNames) {
    throw new JackError(
      'invalid_request',
      `A project can have ${limits.envNames} environment variables.`,
    )
  }
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) continue
    if (Buffer.byteLength(value) > limits.envValueBytes) {
      throw new JackError(
        'invalid_request',
        `The value of ${name} is longer than ${limits.envValueBytes} bytes.`,
      )
    }
    if (value.includes('\0')) {
      throw new JackError('invalid_request', `The value of ${name} has a NUL character.`)
    }
  }
}
