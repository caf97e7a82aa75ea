import { IsolatedVm } from './beside/isolatedVm.ts'
import { runInNode } from './beside/nodeProcess.ts'
import { loaderConfig, startWorkerd } from './beside/workerd.ts'
import { type Cloud, startCloud } from './harness/cloud.ts'
import { absence, absences } from './harness/competitors.ts'
import { besides, inTurns, p50, rate } from './harness/measure.ts'
import { snippet, snippetInput } from './harness/programs.ts'
import type { Question } from './harness/Question.ts'

const callers = 8
const others = ['bare workerd', 'node -e', 'isolated-vm'] as const

export default {
  name: 'saturated',
  asks: `How many executions a second for one account, with ${callers} callers on this machine's cores?`,
  goals: {
    'saturated-reuse': { unit: '/s', atLeast: 150 },
    'saturated-single-use': { unit: '/s', atLeast: 40 },
  },
  async run() {
    const clouds = await Promise.all([startCloud(), startCloud({ JACK_POOL_REUSE: 'never' })])
    // Each runs programs on one core: two of them, as on our side the pool has more than one process.
    const bare = await Promise.all([startWorkerd(loaderConfig), startWorkerd(loaderConfig)])
    const vms = absence('isolated-vm') ? [] : [new IsolatedVm(), new IsolatedVm()]
    const stop = () => Promise.all([...clouds, ...bare, ...vms].map((it) => it.stop()))
    try {
      const [reuse, singleUse] = clouds
      let turn = 0
      const samples = await inTurns(
        {
          reuse: () => rate(callers, 2_000, () => execute(reuse)),
          'bare workerd': () =>
            rate(callers, 1_000, () => {
              const body = JSON.stringify({ code: snippet(), input: snippetInput })
              return (bare[turn++ % bare.length] as (typeof bare)[0]).request(body)
            }),
          singleUse: () => rate(callers, 3_000, () => execute(singleUse)),
          'node -e': () => rate(2, 1_000, () => runInNode(snippet(), snippetInput)),
          ...(vms.length > 0 && {
            'isolated-vm': async () => {
              const rates = await Promise.all(vms.map((vm) => vm.rate(1_000, snippetInput)))
              return rates.reduce((sum, it) => sum + it, 0)
            },
          }),
        },
        { rounds: 3, perTurn: 1, warmUp: 1 },
      )
      const beside = besides(samples, others)
      const missing = absences('isolated-vm')
      return [
        {
          name: 'saturated-reuse',
          value: p50(samples.reuse),
          beside,
          missing,
          extra: { callers, turns: samples.reuse.length },
          note: 'processes follow-on within an account; the sandboxes, the database and the client share the cores',
        },
        {
          name: 'saturated-single-use',
          value: p50(samples.singleUse),
          beside,
          missing,
          extra: { callers, turns: samples.singleUse.length },
          note: 'a new process for each program (JACK_POOL_REUSE=never)',
        },
      ]
    } finally {
      await stop()
    }
  },
} satisfies Question

async function execute(cloud: Cloud): Promise<void> {
  const { status, answer } = await cloud.execute({ code: snippet(), input: snippetInput })
  if (status !== 200) throw new Error(`POST /execute: ${JSON.stringify(answer)}`)
}
