import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import * as deployments from '../store/deployments.ts'
import * as projects from '../store/projects.ts'
import { chargeDue } from '../store/runtime.ts'
import { changeProject } from './change-project.ts'

/**
 * Deletes a project: its URL answers 404 at once, its versions end, its data goes. What it used is charged first.
 *
 * @param mayGo looks again when nobody can change the project any more; without its consent nothing happens
 */
export async function deleteProject(
  jack: Jack,
  project: Project,
  mayGo: (now: Project) => boolean = () => true,
): Promise<void> {
  const { projectId } = project
  await jack.recorder.flush()
  await chargeDue(jack.db, jack.newId('run'), { now: jack.now(), projectId })
  const versions = await changeProject(jack, project.label, async (db) => {
    const now = await projects.lock(db, projectId)
    if (!now || now.accountId !== project.accountId || !mayGo(now)) return undefined
    const ids = await deployments.idsOf(db, projectId)
    await projects.remove(db, projectId)
    return ids
  })
  if (!versions) return
  await Promise.all(versions.map((id) => jack.engine.remove(id)))
  await jack.engine.data.remove(project.projectId)
}
