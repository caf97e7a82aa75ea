import { setTimeout as sleep } from 'node:timers/promises'
import { appConfig, compiled } from './beside/workerd.ts'
import { withCloud } from './harness/cloud.ts'
import { besides, inTurns, p50, p99, timed } from './harness/measure.ts'
import { countingApp } from './harness/programs.ts'
import type { Question } from './harness/Question.ts'

const apps = 20
const rounds = 6
/** How long an app here is idle before it is put to sleep; the engine looks every quarter of a second. */
const idleMs = 500

export default {
  name: 'cold',
  asks: 'How long does the first request to a sleeping app take, through the gateway?',
  goals: { 'cold-p50': { unit: 'ms', atMost: 45 }, 'cold-p99': { unit: 'ms' } },
  run: () =>
    withCloud({ JACK_IDLE_MS: String(idleMs) }, async (cloud) => {
      const urls: string[] = []
      for (let i = 0; i < apps; i++) {
        const files = { 'index.js': `${countingApp}// ${i}` }
        urls.push((await cloud.jack.deploy({ files, name: `sleeper-${i}` })).url)
      }
      const startBare = await compiled((address) => appConfig(countingApp, address))
      let warm = 0
      const visit = async (url: string) => {
        const { status, text } = await cloud.visit(url)
        if (status !== 200) throw new Error(`${url} answered ${status}: ${text}`)
        // The first request that this isolate sees, or it was not asleep.
        if (text !== '1') warm++
      }
      const samples: Record<'jack' | 'bare workerd', number[]> = { jack: [], 'bare workerd': [] }
      for (let round = -1; round < rounds; round++) {
        await sleep(idleMs * 2 + 500)
        let next = 0
        const taken = await inTurns(
          {
            jack: () => timed(() => visit(urls[next++] as string)),
            'bare workerd': async () => {
              const began = performance.now()
              const bare = await startBare()
              await bare.request()
              const ms = performance.now() - began
              await bare.stop()
              return ms
            },
          },
          { rounds: apps, perTurn: 1, warmUp: 0 },
        )
        if (round < 0) continue
        samples.jack.push(...taken.jack)
        samples['bare workerd'].push(...taken['bare workerd'])
      }
      if (warm > 0)
        throw new Error(`${warm} of ${rounds * apps} requests met an app that was awake`)
      return [
        {
          name: 'cold-p50',
          value: p50(samples.jack),
          beside: besides(samples, ['bare workerd']),
          extra: { n: samples.jack.length, p99: p99(samples.jack) },
          note: 'bare workerd: its start from a compiled config and its first answer, without walls',
        },
        {
          name: 'cold-p99',
          value: p99(samples.jack),
          beside: besides(samples, ['bare workerd'], p99),
        },
      ]
    }),
} satisfies Question
