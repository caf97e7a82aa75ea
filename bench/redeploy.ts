import { setTimeout as sleep } from 'node:timers/promises'
import { withCloud } from './harness/cloud.ts'
import { generate } from './harness/load.ts'
import { p50 } from './harness/measure.ts'
import type { Question } from './harness/Question.ts'

const perSecond = 500
const changes = 12
const betweenMs = 400

const app = (version: number) => `export default {
  fetch(request, env) {
    return new Response('version ${version} ' + (env.GREETING ?? ''))
  },
}
`

export default {
  name: 'redeploy',
  asks: `How many requests fail while an app under ${perSecond} req/s is redeployed ${changes} times?`,
  goals: {
    'redeploy-failed': { unit: 'requests', atMost: 0 },
    'redeploy-latency-p99': { unit: 'ms' },
  },
  run: () =>
    withCloud({}, async (cloud) => {
      const deploy = (version: number) =>
        cloud.jack.deploy({ files: { 'index.js': app(version) }, name: 'busy' })
      const { url } = await deploy(0)
      const load = await generate({
        url: cloud.url,
        host: new URL(url).host,
        connections: 64,
        forMs: 60_000,
        perSecond,
      })
      const took: number[] = []
      for (let version = 1; version <= changes; version++) {
        const began = performance.now()
        // Every fourth time the environment changes instead of the code: that restarts the app, too.
        const expected =
          version % 4 === 0 ? `version ${version - 1} hello-${version}` : `version ${version} `
        if (version % 4 === 0) await cloud.jack.projects.updateEnv('busy', greeting(version))
        else await deploy(version)
        const ms = performance.now() - began
        took.push(ms)
        const { text } = await cloud.visit(url)
        if (!text.startsWith(expected)) throw new Error(`"${text}" is served after "${expected}"`)
        await sleep(Math.max(0, betweenMs - ms))
      }
      load.stop()
      const { requests, failed, failures, p50: middle, p99 } = await load.result
      const kinds = Object.entries(failures).map(([kind, count]) => `${count} ${kind}`)
      return [
        {
          name: 'redeploy-failed',
          value: failed,
          extra: { n: requests, changes, deploy_p50: p50(took), ...failures },
          note: `of ${requests.toLocaleString('en')}, with ${changes} changes, ${Math.floor(changes / 4)} of them to the environment${kinds.length > 0 ? `: ${kinds.join(', ')}` : ''}`,
        },
        { name: 'redeploy-latency-p99', value: p99, extra: { p50: middle } },
      ]
    }),
} satisfies Question

const greeting = (version: number) => ({ GREETING: `hello-${version}` })
