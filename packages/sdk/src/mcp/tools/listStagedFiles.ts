import { z } from 'zod'
import { ProjectName } from '../../wire/Names.ts'
import { nextCursor } from '../../wire/Page.ts'
import { Stage } from '../../wire/Staged.ts'
import { budgeted } from '../lists.ts'
import { budgetFields } from '../schema.ts'
import { tool } from '../Tool.ts'

const Row = z.object({ path: z.string(), size_bytes: z.number() })

export const listStagedFiles = tool({
  name: 'list_staged_files',
  title: 'List staged files',
  toolset: 'projects',
  operations: ['listStaged'],
  input: z.strictObject({ project: ProjectName, ...budgetFields }),
  output: Stage.extend({ files: z.array(Row), ...nextCursor }),
  async run({ input, jack, signal }) {
    const { items, page } = await budgeted(
      input,
      (query) => jack.files.list(input.project, query, { signal }),
      ({ files }) => files.map((it) => Row.parse(it)),
    )
    return { ...page, files: items }
  },
})
