import type { Jack } from '../jack.ts'

/**
 * Gives a version the turn with its project's data while `work` makes it live. The version before has it again when
 * that fails or comes to nothing (undefined).
 */
export async function withTurn<T>(
  jack: Jack,
  projectId: string,
  deploymentId: string,
  work: () => Promise<T>,
): Promise<T> {
  const turn = await jack.engine.take(projectId, deploymentId)
  try {
    const result = await work()
    if (result !== undefined) turn.keep()
    return result
  } finally {
    turn.giveBack()
  }
}
