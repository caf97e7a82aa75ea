import type { EngineEvents } from '../engine/Engine.ts'
import type { Jack } from '../jack.ts'
import { mostStrikes, type Strike, strikesMs } from '../Suspension.ts'
import * as logs from '../store/logs.ts'
import * as projects from '../store/projects.ts'
import * as suspensions from '../store/suspensions.ts'
import { changeProject } from './change-project.ts'

/**
 * The engine ended an app. When that happens too often, the project is suspended with what was seen.
 *
 * @param now when it happened: told again, it counts once
 */
export async function strike(
  jack: Jack,
  event: Parameters<EngineEvents['killed']>[0],
  now: Date,
): Promise<void> {
  const { projectId } = event
  const it: Strike = {
    deploymentId: event.deploymentId,
    at: now.toISOString(),
    reason: event.reason,
    detail: event.detail,
    cpuMs: event.cpuMs ?? null,
    memoryBytes: event.memoryBytes ?? null,
  }
  const since = new Date(now.getTime() - strikesMs)
  const strikes = await suspensions.strike(jack.db, projectId, it, since)
  if (strikes.length < mostStrikes) return
  const project = await projects.findById(jack.db, projectId)
  if (!project) return
  await jack.recorder.flush()
  const lines = await logs.read(jack.db, projectId, { limit: 5 })
  const evidence = { strikes, last_lines: lines.map((line) => line.message.slice(0, 500)) }
  await changeProject(jack, project.label, (db) =>
    suspensions.suspend(db, projectId, { code: 'runaway', evidence, now }),
  )
  jack.log.warn({ projectId, strikes }, 'runaway suspended')
}
