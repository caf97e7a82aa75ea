import { z } from 'zod'
import { Verify } from '../../wire/Deploy.ts'
import { Files } from '../../wire/Execute.ts'
import { EnvName, ProjectName, TtlHours } from '../../wire/Names.ts'
import { Usd, UsdInput } from '../../wire/Usd.ts'
import { folderAlone } from '../folderAlone.ts'
import { tool } from '../Tool.ts'

export const deployProject = tool({
  name: 'deploy_project',
  title: 'Deploy to a live URL',
  toolset: 'projects',
  operations: ['deploy', 'upload'],
  also: 'Source is bundled, npm packages included. Keep no secrets in files: they go into env.',
  input: z.strictObject({
    files: Files.optional().describe(
      'Path to content, such as {"index.js": "export default { fetch: () => new Response(\'hi\') }"} or {"index.html": "..."}',
    ),
    name: ProjectName.optional().describe('The project; made up when missing'),
    staged: z.boolean().optional().describe('Deploy what stage_file staged under the name'),
    entry: z.string().max(512).optional().describe('The module with the handler'),
    env: z.record(EnvName, z.string().nullable()).optional().describe('Merged; null deletes'),
    budget_usd: UsdInput.optional().describe('The most that it may ever spend on runtime'),
    ttl_hours: TtlHours.optional(),
    verify: z
      .array(Verify)
      .max(10)
      .optional()
      .describe('Goes live only when these requests are answered so'),
    if_exists: z
      .enum(['update', 'refuse'])
      .optional()
      .describe('When there is a project of that name. Default: update, if name is given'),
  }),
  folderInput: z.strictObject({
    path: z
      .string()
      .min(1)
      .optional()
      .describe('Instead of files: a folder of this machine, such as "." or "/home/me/my-app"'),
  }),
  output: z.object({
    url: z.string(),
    curl: z.string().describe('A command that calls it'),
    name: z.string(),
    deployment_url: z.string().describe('This version alone'),
    deployment_id: z.string(),
    project_id: z.string(),
    expires_at: z.string().nullable(),
    deduplicated: z.boolean().describe('It was live already'),
    created: z.boolean(),
    warnings: z.array(z.string()),
    charged_usd: Usd,
    claim_url: z
      .string()
      .optional()
      .describe(
        'For your human alone: opened in a browser, it makes the project theirs. Once, within a day',
      ),
  }),
  async run({ input, host, ...call }) {
    const { jack, signal, progress } = call
    const { path, files, staged, entry, ...settings } = input
    if (path !== undefined && host.folders) {
      if (files || staged || entry !== undefined) throw folderAlone()
      return presented(await host.folders.deploy(path, settings, call))
    }
    progress('Bundling and starting the new version')
    return presented(await jack.deploy({ ...settings, files, staged, entry }, { signal }))
  },
})

function presented(answer: {
  url: string
  ttl_hours: unknown
  digest: unknown
  size_bytes: unknown
}) {
  const { ttl_hours: _t, digest: _d, size_bytes: _s, url, ...rest } = answer
  return { url, curl: `curl -sS '${url}'`, ...rest }
}
