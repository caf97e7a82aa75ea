import { IsolatedVm } from './beside/isolatedVm.ts'
import { runInNode } from './beside/nodeProcess.ts'
import { loaderConfig, startWorkerd } from './beside/workerd.ts'
import { withCloud } from './harness/cloud.ts'
import { absence, absences } from './harness/competitors.ts'
import { besides, inTurns, p50, p99, timed } from './harness/measure.ts'
import { snippet, snippetInput } from './harness/programs.ts'
import type { Measured, Question } from './harness/Question.ts'

const others = ['bare workerd', 'node -e', 'isolated-vm'] as const

export default {
  name: 'execute',
  asks: 'How long does it take from sending POST /execute to having the answer?',
  goals: {
    'execute-p50': { unit: 'ms', atMost: 6 },
    'execute-p99': { unit: 'ms', atMost: 12 },
    'execute-overhead': { unit: 'x', atMost: 1.5 },
    'execute-repeated-p50': { unit: 'ms', atMost: 6 },
    'execute-repeated-p99': { unit: 'ms', atMost: 12 },
  },
  run: () =>
    withCloud({}, async (cloud) => {
      const bare = await startWorkerd(loaderConfig)
      const isolatedVm = absence('isolated-vm') ? undefined : new IsolatedVm()
      try {
        const inside: number[] = []
        const execute = async (code: string) => {
          const { status, answer } = await cloud.execute({ code, input: snippetInput })
          if (status !== 200) throw new Error(`POST /execute: ${JSON.stringify(answer)}`)
          inside.push(answer.duration_ms ?? Number.NaN)
        }
        const same = snippet()
        const samples = await inTurns(
          {
            jack: () => timed(() => execute(snippet())),
            'bare workerd': () => {
              const body = JSON.stringify({ code: snippet(), input: snippetInput })
              return timed(() => bare.request(body))
            },
            repeated: () => timed(() => execute(same)),
            'node -e': () => timed(() => runInNode(snippet(), snippetInput)),
            ...(isolatedVm && { 'isolated-vm': () => isolatedVm.runMs(snippet(), snippetInput) }),
          },
          {
            rounds: 30,
            perTurn: { jack: 12, 'bare workerd': 12, repeated: 12, 'node -e': 1, 'isolated-vm': 5 },
            warmUp: 5,
          },
        )
        return rows(samples, inside)
      } finally {
        await Promise.all([bare.stop(), isolatedVm?.stop()])
      }
    }),
} satisfies Question

function rows(samples: Record<string, number[]>, inside: number[]): Measured[] {
  const { jack = [], repeated = [], 'bare workerd': bare = [] } = samples
  const missing = absences('isolated-vm')
  const about = (its: number[]) => ({ n: its.length, p50: p50(its), p99: p99(its) })
  return [
    {
      name: 'execute-p50',
      value: p50(jack),
      beside: besides(samples, others),
      missing,
      extra: { ...about(jack), isolate_p50: p50(inside) },
      note: `${p50(inside).toFixed(2)} ms of it in the sandbox, as duration_ms tells`,
    },
    { name: 'execute-p99', value: p99(jack), beside: besides(samples, others, p99), missing },
    {
      name: 'execute-overhead',
      value: p50(jack) / p50(bare),
      note: 'p50 against a bare isolate over a unix socket, without HTTP API, database and walls',
    },
    {
      name: 'execute-repeated-p50',
      value: p50(repeated),
      beside: besides(samples, others),
      missing,
      extra: about(repeated),
      note: 'the same code again, so that the bundle is cached',
    },
    {
      name: 'execute-repeated-p99',
      value: p99(repeated),
      beside: besides(samples, others, p99),
      missing,
    },
  ]
}
