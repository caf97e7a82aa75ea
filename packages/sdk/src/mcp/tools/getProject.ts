import { z } from 'zod'
import { Usd } from '../../wire/Usd.ts'
import { plainly } from '../plain.ts'
import { projectField } from '../schema.ts'
import { tool } from '../Tool.ts'

/** Versions that are told: enough to go back to one. */
const versions = 10

const Version = z.object({
  deployment_id: z.string(),
  deployment_url: z.string(),
  live: z.boolean(),
  created_at: z.string(),
})

const Details = z.object({
  project_id: z.string(),
  name: z.string(),
  url: z.string(),
  status: z.enum(['active', 'suspended', 'expired']),
  reason: z.string().nullable(),
  suspension: z.looseObject({ code: z.string(), hint: z.string() }).nullable(),
  budget_usd: Usd.nullable(),
  expires_at: z.string().nullable(),
  warnings: z.array(z.string()),
  bindings: z.array(z.looseObject({ type: z.string(), name: z.string() })),
})

export const getProject = tool({
  name: 'get_project',
  title: 'Read a project',
  toolset: 'projects',
  operations: ['getProject', 'listDeployments', 'getEnv'],
  also: `With its last ${versions} versions and the names of its environment variables.`,
  input: z.strictObject({ project: projectField }),
  output: Details.extend({ env: z.array(z.string()), deployments: z.array(Version) }),
  async run({ input: { project }, jack, signal }) {
    const [details, { deployments }, { env }] = await Promise.all([
      jack.projects.get(project, { signal }),
      jack.projects.deployments(project, { limit: versions }, { signal }),
      jack.projects.env(project, { signal }),
    ])
    return {
      // The last lines of a suspended app are its own words.
      ...plainly(Details.parse(details)),
      env: env.map(({ name }) => name),
      deployments: deployments.map((it) => Version.parse(it)),
    }
  },
})
