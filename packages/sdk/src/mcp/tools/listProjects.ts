import { z } from 'zod'
import { nextCursor } from '../../wire/Page.ts'
import { budgeted } from '../lists.ts'
import { budgetFields } from '../schema.ts'
import { tool } from '../Tool.ts'

const Row = z.object({
  name: z.string(),
  url: z.string(),
  status: z.enum(['active', 'suspended', 'expired']),
  reason: z.string().nullable().describe('Why it is suspended or expired'),
  expires_at: z.string().nullable(),
})

export const listProjects = tool({
  name: 'list_projects',
  title: 'List projects',
  toolset: 'projects',
  operations: ['listProjects'],
  input: z.strictObject(budgetFields),
  output: z.object({ projects: z.array(Row), ...nextCursor }),
  async run({ input, jack, signal }) {
    const { items, page } = await budgeted(
      input,
      (query) => jack.projects.list(query, { signal }),
      ({ projects }) => projects.map((it) => Row.parse(it)),
    )
    return { projects: items, next_cursor: page.next_cursor }
  },
})
