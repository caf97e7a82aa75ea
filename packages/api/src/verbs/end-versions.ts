import type { Engine } from '../engine/Engine.ts'

/** Ends what runs of a project here, after the requests that it is answering. */
export async function endVersions(engine: Engine, projectId: string): Promise<void> {
  const running = engine.running().filter((it) => it.projectId === projectId)
  await Promise.all(
    [...new Set(running.map((it) => it.deploymentId))].map((id) => engine.remove(id)),
  )
}
