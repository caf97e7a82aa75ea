import { environment, jack, whichJack } from './harness/cli.ts'
import { absence, absences, wrangler } from './harness/competitors.ts'
import { besides, inTurns, p50, p99 } from './harness/measure.ts'
import { newFolder, run } from './harness/processes.ts'
import type { Measured, Question } from './harness/Question.ts'

const others = ['node -e 0', 'wrangler --version']

export default {
  name: 'cli',
  asks: 'How long does the command line take to say something?',
  goals: { 'cli-version': { unit: 'ms', atMost: 100 }, 'cli-help': { unit: 'ms', atMost: 150 } },
  async run(): Promise<Measured[]> {
    const home = newFolder()
    const env = environment(home)
    const node =
      (...args: string[]) =>
      async () =>
        (await run(process.execPath, args, { cwd: home, env })).ms
    const samples = await inTurns(
      {
        version: node(...jack, '--version'),
        help: node(...jack, '--help'),
        'node -e 0': node('-e', '0'),
        ...(!absence('wrangler') && { 'wrangler --version': node(wrangler, '--version') }),
      },
      {
        rounds: 10,
        perTurn: { version: 3, help: 3, 'node -e 0': 3, 'wrangler --version': 1 },
        warmUp: 1,
      },
    )
    const row = (name: string, its: number[]): Measured => ({
      name,
      value: p50(its),
      beside: besides(samples, others),
      missing: absences('wrangler'),
      extra: { n: its.length, p99: p99(its), jack: whichJack },
      note: whichJack,
    })
    return [row('cli-version', samples.version), row('cli-help', samples.help)]
  },
} satisfies Question
