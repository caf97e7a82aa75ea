import { fileURLToPath } from 'node:url'
import { appConfig, startWorkerdOnPort } from './beside/workerd.ts'
import { withCloud } from './harness/cloud.ts'
import { absence, absences } from './harness/competitors.ts'
import { generator, type Load, press } from './harness/load.ts'
import { p50 } from './harness/measure.ts'
import { end, firstLine, start } from './harness/processes.ts'
import { helloApp } from './harness/programs.ts'
import type { Measured, Question } from './harness/Question.ts'

/** Something that answers `hello` under a URL. */
interface Server {
  url: string
  host: string
  stop?(): Promise<void>
}

export default {
  name: 'hosted',
  asks: 'How fast does a live app answer, through the gateway?',
  goals: {
    'hosted-p50': { unit: 'ms', atMost: 0.6 },
    'hosted-rate': { unit: '/s', atLeast: 6_000 },
  },
  run: () =>
    withCloud({}, async (cloud) => {
      const { url } = await cloud.jack.deploy({ files: { 'index.js': helloApp }, name: 'hello' })
      const port = await startWorkerdOnPort((address) => appConfig(helloApp, address))
      const servers: Record<string, Server> = {
        jack: { url: cloud.url, host: new URL(url).host },
        'bare workerd': { ...port, host: 'app' },
        'bare Node': await startServer('nodeServer.ts'),
        ...(!absence('miniflare') && { miniflare: await startServer('miniflareServer.ts') }),
      }
      try {
        return rows(await pressInTurns(servers))
      } finally {
        for (const server of Object.values(servers)) await server.stop?.()
      }
    }),
} satisfies Question

/** One after the other gets one connection, then sixteen; twice, after a warm-up. */
async function pressInTurns(servers: Record<string, Server>) {
  const one: Record<string, Load[]> = {}
  const many: Record<string, Load[]> = {}
  for (let round = 0; round < 3; round++) {
    for (const [name, { url, host }] of Object.entries(servers)) {
      const single = await press(url, host, { connections: 1, forMs: 1_000 })
      const full = await press(url, host, { connections: 16, forMs: round === 0 ? 1_000 : 2_000 })
      if (round === 0) continue
      one[name] = [...(one[name] ?? []), single]
      many[name] = [...(many[name] ?? []), full]
    }
  }
  return { one, many }
}

function rows({ one, many }: Awaited<ReturnType<typeof pressInTurns>>): Measured[] {
  const median = (loads: Record<string, Load[]>, field: 'p50' | 'p99' | 'perSecond') =>
    Object.fromEntries(
      Object.entries(loads).map(([name, its]) => [name, p50(its.map((it) => it[field]))]),
    )
  const missing = absences('miniflare')
  const { jack: latency = Number.NaN, ...othersLatency } = median(one, 'p50')
  const { jack: perSecond = Number.NaN, ...othersRate } = median(many, 'perSecond')
  const count = (loads: Load[] = []) => loads.reduce((sum, it) => sum + it.requests, 0)
  return [
    {
      name: 'hosted-p50',
      value: latency,
      beside: othersLatency,
      missing,
      extra: {
        n: count(one.jack),
        p99: median(one, 'p99').jack ?? Number.NaN,
        connections: 1,
        generator,
      },
      note: `one connection, p99 ${median(one, 'p99').jack?.toFixed(2)} ms; load from ${generator}`,
    },
    {
      name: 'hosted-rate',
      value: perSecond,
      beside: othersRate,
      missing,
      extra: { n: count(many.jack), connections: 16, generator },
      note: `16 connections on the same cores as the server; load from ${generator}`,
    },
  ]
}

async function startServer(file: string): Promise<Server> {
  const child = start(process.execPath, [fileURLToPath(new URL(`beside/${file}`, import.meta.url))])
  const url = await firstLine(child)
  return { url, host: new URL(url).host, stop: () => end(child) }
}
