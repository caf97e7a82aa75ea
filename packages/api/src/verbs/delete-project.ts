import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import * as deployments from '../store/deployments.ts'
import * as projects from '../store/projects.ts'
import { changeProject } from './change-project.ts'

/** Deletes a project: its URL answers 404 at once, its versions end. What was paid stays in the ledger. */
export async function deleteProject(jack: Jack, project: Project): Promise<void> {
  const versions = await changeProject(jack, project.label, async (db) => {
    const ids = await deployments.idsOf(db, project.projectId)
    await projects.remove(db, project.projectId)
    return ids
  })
  await Promise.all(versions.map((id) => jack.engine.remove(id)))
}
