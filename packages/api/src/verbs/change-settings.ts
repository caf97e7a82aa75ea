import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import * as projects from '../store/projects.ts'
import { changeOwn } from './change-project.ts'
import { resumeProjects } from './resume-projects.ts'

/** Changes a project's settings. What its budgets suspended goes on when they carry it again. */
export async function changeSettings(
  jack: Jack,
  project: Project,
  settings: projects.ProjectChange,
): Promise<Project> {
  const changed = await changeOwn(jack, project, (db) =>
    projects.change(db, project.projectId, settings),
  )
  if (changed.suspension?.code !== 'budget') return changed
  await resumeProjects(jack, { projectId: project.projectId })
  return (await projects.findById(jack.db, project.projectId)) ?? changed
}
