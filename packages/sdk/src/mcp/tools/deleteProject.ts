import { z } from 'zod'
import { JackError } from '../../JackError.ts'
import { tool } from '../Tool.ts'

export const deleteProject = tool({
  name: 'delete_project',
  title: 'Delete a project for good',
  toolset: 'projects',
  operations: ['deleteProject', 'getProject'],
  also: 'The name and the id must belong together: read both with get_project, and show the name to the user.',
  input: z.strictObject({
    project: z.string().min(1).max(60).describe('Its name'),
    project_id: z.string().min(1).max(60).describe('Its id (prj_...)'),
  }),
  output: z.object({ deleted: z.literal(true), id: z.string() }),
  // A text that somebody else wrote may know the name of a project, but not its id.
  async run({ input, jack, signal }) {
    const { name, project_id } = await jack.projects.get(input.project, { signal })
    if (name !== input.project || project_id !== input.project_id) {
      throw new JackError('conflict', 'This is not the name and the id of one project.', {
        hint: 'Nothing was deleted. get_project tells both.',
      })
    }
    return jack.projects.delete(project_id, { signal })
  },
})
