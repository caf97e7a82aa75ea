import { type Cloud, withCloud } from './harness/cloud.ts'
import { p50, p99 } from './harness/measure.ts'
import type { Question } from './harness/Question.ts'

const samples = 200

export default {
  name: 'kill',
  asks: 'How much CPU does `while (true) {}` get under a limit of 50 ms?',
  goals: {
    'kill-cpu-p99': { unit: 'ms CPU', atMost: 60 },
    'kill-wall-p99': { unit: 'ms' },
  },
  run: () =>
    withCloud({}, async (cloud) => {
      const cpu: number[] = []
      const wall: number[] = []
      for (let i = -5; i < samples; i++) {
        const { cpuMs, wallMs } = await spin(cloud, i)
        if (i < 0) continue
        cpu.push(cpuMs)
        wall.push(wallMs)
      }
      const about = (its: number[]) => ({ n: its.length, p50: p50(its), max: Math.max(...its) })
      return [
        {
          name: 'kill-cpu-p99',
          value: p99(cpu),
          extra: { ...about(cpu), min: Math.min(...cpu) },
          note: `p50 ${p50(cpu).toFixed(1)}, max ${Math.max(...cpu).toFixed(1)}: of program and isolate start together, as cpu_ms tells`,
        },
        {
          name: 'kill-wall-p99',
          value: p99(wall),
          extra: about(wall),
          note: `p50 ${p50(wall).toFixed(1)}: from the request to the answer that the program was stopped`,
        },
      ]
    }),
} satisfies Question

async function spin(cloud: Cloud, i: number): Promise<{ cpuMs: number; wallMs: number }> {
  const code = `export function run() { while (true) {} } // ${i}`
  const began = performance.now()
  const { answer } = await cloud.execute({ code })
  const wallMs = performance.now() - began
  if (answer.code === 'cpu_limit_exceeded' && answer.cpu_ms !== undefined) {
    return { cpuMs: answer.cpu_ms, wallMs }
  }
  throw new Error(`A program that spins was answered with ${JSON.stringify(answer)}`)
}
