import { z } from 'zod'
import { projectField } from '../schema.ts'
import { tool } from '../Tool.ts'

export const rollbackProject = tool({
  name: 'rollback_project',
  title: 'Roll back',
  toolset: 'projects',
  operations: ['rollback'],
  input: z.strictObject({
    project: projectField,
    deployment_id: z
      .string()
      .max(60)
      .optional()
      .describe('Of get_project. Default: the version that was live before'),
  }),
  output: z.object({
    url: z.string(),
    deployment_id: z.string(),
    previous_deployment_id: z.string().nullable(),
  }),
  async run({ input: { project, deployment_id }, jack, signal }) {
    const { project_id: _, ...live } = await jack.projects.rollback(
      project,
      { deployment_id },
      { signal },
    )
    return live
  },
})
