import { z } from 'zod'
import { EnvName } from '../../wire/Names.ts'
import { projectField } from '../schema.ts'
import { tool } from '../Tool.ts'

export const updateEnvVars = tool({
  name: 'update_env_vars',
  title: 'Set environment variables',
  toolset: 'projects',
  operations: ['updateEnv'],
  input: z.strictObject({
    project: projectField,
    env: z.record(EnvName, z.string().nullable()).describe('Merged; null deletes'),
  }),
  output: z.object({ env: z.array(z.string()).describe('All names that are set') }),
  async run({ input: { project, env }, jack, signal }) {
    const answer = await jack.projects.updateEnv(project, env, { signal })
    return { env: answer.env.map(({ name }) => name) }
  },
})
