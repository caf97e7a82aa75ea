import { join } from 'node:path'
import { readProgram } from '@jackcloud/bundler'
import { deployProgram } from '@jackcloud/sdk/node'
import { environment, jack, whichJack } from './harness/cli.ts'
import { type Cloud, withCloud } from './harness/cloud.ts'
import { absence, absences, wrangler } from './harness/competitors.ts'
import { honoFolder } from './harness/honoFolder.ts'
import { besides, inTurns, p50 } from './harness/measure.ts'
import { newFolder, run } from './harness/processes.ts'
import type { Measured, Question } from './harness/Question.ts'

const other = 'wrangler deploy --dry-run'

export default {
  name: 'deploy',
  asks: 'How long until a Hono app of a folder answers on its live URL?',
  goals: {
    'deploy-new': { unit: 'ms', atMost: 1_000 },
    'deploy-again': { unit: 'ms', atMost: 1_000 },
    'deploy-upload': { unit: 'ms', atMost: 300 },
  },
  run: () =>
    withCloud({}, async (cloud): Promise<Measured[]> => {
      const app = honoFolder()
      const home = newFolder()
      const env = {
        ...environment(home),
        JACK_URL: cloud.url,
        JACK_TOKEN: cloud.token,
      }
      let version = 0
      const deploy = (name: () => string) => async () => {
        app.write(`version ${++version}`)
        const began = performance.now()
        const args = [...jack, 'deploy', app.folder, '--name', name(), '--json', '--yes']
        const { stdout } = await run(process.execPath, args, { cwd: home, env })
        const { url } = JSON.parse(stdout) as { url: string }
        await expectVersion(cloud, url, version)
        return performance.now() - began
      }
      const upload = async () => {
        app.write(`version ${++version}`)
        const program = await readProgram(app.folder)
        const began = performance.now()
        const { url } = await deployProgram(cloud.jack, program, { name: `uploaded-${version}` })
        const ms = performance.now() - began
        await expectVersion(cloud, url, version)
        return ms
      }
      const dryRun = async () => {
        app.write(`version ${++version}`)
        const args = [wrangler, 'deploy', '--dry-run', '--outdir', join(home, 'out')]
        return (await run(process.execPath, args, { cwd: app.folder, env })).ms
      }
      const samples = await inTurns(
        {
          fresh: deploy(() => `new-${version}`),
          again: deploy(() => 'again'),
          upload,
          ...(!absence('wrangler') && { [other]: dryRun }),
        },
        { rounds: 8, perTurn: { fresh: 2, again: 2, upload: 3, [other]: 1 }, warmUp: 1 },
      )
      const about = (its: number[]) => ({ n: its.length, max: Math.max(...its) })
      const command = {
        beside: besides(samples, [other]),
        missing: absences('wrangler'),
        note: `from the start of \`jack deploy\` to the first 200 of that version; ${whichJack}`,
      }
      const { fresh, again, upload: uploads } = samples
      return [
        { name: 'deploy-new', value: p50(fresh), ...command, extra: about(fresh) },
        { name: 'deploy-again', value: p50(again), ...command, extra: about(again) },
        {
          name: 'deploy-upload',
          value: p50(uploads),
          extra: about(uploads),
          note: 'POST /v1/projects/{p}/deployments/upload alone, of a bundled app, new project each time',
        },
      ]
    }),
} satisfies Question

async function expectVersion(cloud: Cloud, url: string, version: number): Promise<void> {
  const { status, text } = await cloud.visit(url)
  if (status === 200 && text === `version ${version}`) return
  throw new Error(`${url} answered ${status}: ${text} instead of version ${version}`)
}
