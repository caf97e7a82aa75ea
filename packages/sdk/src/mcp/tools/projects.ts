import { z } from 'zod'
import { DeployRequest, DeployResponse } from '../../wire/Deploy.ts'
import { Project } from '../../wire/Project.ts'
import { tool } from '../Tool.ts'

export const deployProject = tool({
  name: 'deploy_project',
  title: 'Deploy to a live URL',
  toolset: 'projects',
  operations: ['deploy'],
  when: 'To put an app or a static site online, or to update one: the same name again is its next version.',
  not: 'To run something once use execute_code.',
  input: DeployRequest,
  output: DeployResponse.extend({ curl: z.string() }),
  readOnly: false,
  destructive: false,
  idempotent: true,
  openWorld: true,
  async run({ input, jack, signal, progress }) {
    progress('Bundling, starting and checking the new version')
    const answer = await jack.deploy(input, { signal })
    return { ...answer, curl: `curl -sS '${answer.url}'` }
  },
})

const listed = Project.pick({
  name: true,
  url: true,
  status: true,
  reason: true,
  expires_at: true,
  warnings: true,
})

export const listProjects = tool({
  name: 'list_projects',
  title: 'List projects',
  toolset: 'projects',
  operations: ['listProjects'],
  when: 'To see what is deployed, and under which names and URLs.',
  not: 'For everything about one project use get_project.',
  input: z.strictObject({
    limit: z.number().int().min(1).max(500).default(50),
    cursor: z.string().max(200).optional(),
  }),
  output: z.object({ projects: z.array(listed), next_cursor: z.string().nullable() }),
  readOnly: true,
  destructive: false,
  idempotent: true,
  openWorld: false,
  async run({ input, jack, signal }) {
    const { projects, next_cursor } = await jack.projects.list(input, { signal })
    return { projects: projects.map((it) => listed.parse(it)), next_cursor }
  },
})
