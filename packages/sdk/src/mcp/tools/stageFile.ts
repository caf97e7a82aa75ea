import { z } from 'zod'
import { FileContent } from '../../wire/Execute.ts'
import { limits } from '../../wire/limits.ts'
import { ProjectName } from '../../wire/Names.ts'
import { Stage } from '../../wire/Staged.ts'
import { tool } from '../Tool.ts'

export const stageFile = tool({
  name: 'stage_file',
  title: 'Stage a file',
  toolset: 'projects',
  operations: ['stageFiles'],
  also: `Kept for ${limits.staging.hours} hours.`,
  input: z.strictObject({
    project: ProjectName,
    path: z.string().min(1).max(512),
    content: FileContent,
    append: z.boolean().optional().describe('Add to its end instead of replacing it'),
  }),
  output: Stage,
  run({ input: { project, path, content, append }, jack, signal }) {
    return jack.files.put(project, { files: { [path]: content }, append }, { signal })
  },
})
