import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { withCloud } from './harness/cloud.ts'
import { p50, p99, timed } from './harness/measure.ts'
import { end, firstLine, newFolder, start } from './harness/processes.ts'
import type { Measured, Question } from './harness/Question.ts'

const measureMeter = fileURLToPath(
  new URL('../packages/api/src/testing/measureMeter.ts', import.meta.url),
)

export default {
  name: 'metering',
  asks: 'How much use can be stored and charged, what does the check cost a request, how fast does money bring an app back?',
  goals: {
    'meter-entries': { unit: '/s', atLeast: 20_000 },
    'balance-check': { unit: 'ms', atMost: 0.05 },
    resume: { unit: 'ms', atMost: 1_000 },
  },
  run: async () => [...(await inside()), await resume()],
} satisfies Question

/** Measured inside of the server's own code: see the program that is started. */
async function inside(): Promise<Measured[]> {
  const child = start(
    process.execPath,
    ['--conditions=jack:src', measureMeter, join(newFolder(), 'data')],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const { entriesPerSecond, checkMs, projects, accounts } = JSON.parse(await firstLine(child, 1))
  await end(child)
  return [
    {
      name: 'meter-entries',
      value: p50(entriesPerSecond),
      extra: { n: entriesPerSecond.length, slowest: Math.min(...entriesPerSecond) },
      note: `batches of ${projects} projects of ${accounts} accounts, each one durable transaction`,
    },
    { name: 'balance-check', value: p50(checkMs), extra: { p99: p99(checkMs) } },
  ]
}

/** From the request that adds money to the first answer of an app that waited for it, its start included. */
const resume = (): Promise<Measured> =>
  withCloud({ JACK_LOCAL_CREDIT_USD: '0.051' }, async (cloud) => {
    const files = {
      'index.js':
        'export default { fetch() { let n = 0; for (let i = 0; i < 3e7; i++) n += i % 7; return new Response(String(n)) } }',
    }
    const { url } = await cloud.jack.deploy({ files, name: 'poor' })
    const samples: number[] = []
    for (let i = 0; i < 10; i++) {
      for (const until = Date.now() + 120_000; (await cloud.visit(url)).status !== 402; ) {
        if (Date.now() > until) throw new Error('It was never suspended')
      }
      // What it still used is stored.
      await sleep(1_000)
      const { pending_usd } = await cloud.jack.balance()
      const amount_usd = (Number(pending_usd) + 0.002).toFixed(6)
      samples.push(
        await timed(async () => {
          await cloud.jack.addBalance({ amount_usd })
          while ((await cloud.visit(url)).status !== 200);
        }),
      )
    }
    return {
      name: 'resume',
      value: p50(samples),
      extra: { n: samples.length, max: Math.max(...samples) },
    }
  })
