import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import { withCloud } from './harness/cloud.ts'
import { absence, absences } from './harness/competitors.ts'
import { besides, inTurns, p50, p99, type Side, timed } from './harness/measure.ts'
import { end, firstLine, newFolder, start } from './harness/processes.ts'
import { dataApp } from './harness/programs.ts'
import type { Measured, Question } from './harness/Question.ts'

const settings = JSON.stringify({
  main: 'index.js',
  kv_namespaces: [{ binding: 'KV' }],
  d1_databases: [{ binding: 'DB' }],
})

export default {
  name: 'data',
  asks: 'How fast does a live app write and read what it keeps, through the gateway?',
  goals: {
    'd1-create-insert-select': { unit: 'ms', atMost: 3 },
    'kv-put-get': { unit: 'ms', atMost: 2 },
  },
  run: () =>
    withCloud({}, async (cloud) => {
      const files = { 'index.js': dataApp, 'jack.json': settings }
      const { url } = await cloud.jack.deploy({ files, name: 'data' })
      const miniflare = absence('miniflare') ? undefined : await startMiniflare()
      try {
        const ask = (path: string): Record<string, Side> => ({
          jack: () =>
            timed(async () => {
              const { status, text } = await cloud.visit(url, path)
              if (status !== 200 || text !== 'ok') throw new Error(`${path}: ${status} ${text}`)
            }),
          ...(miniflare && { miniflare: () => timed(() => miniflare.ask(path)) }),
        })
        return [
          await row('d1-create-insert-select', ask('/d1')),
          await row('kv-put-get', ask('/kv')),
        ]
      } finally {
        await miniflare?.stop()
      }
    }),
} satisfies Question

async function row(name: string, sides: Record<string, Side>): Promise<Measured> {
  const samples = await inTurns(sides, { rounds: 10, perTurn: 50, warmUp: 10 })
  const jack = samples.jack ?? []
  return {
    name,
    value: p50(jack),
    beside: besides(samples, ['miniflare']),
    missing: absences('miniflare'),
    extra: { n: jack.length, p99: p99(jack) },
    note: `one connection, p99 ${p99(jack).toFixed(2)} ms, miniflare's ${p99(samples.miniflare ?? []).toFixed(2)} ms`,
  }
}

async function startMiniflare() {
  const server = fileURLToPath(new URL('beside/miniflareDataServer.ts', import.meta.url))
  const child = start(process.execPath, [server, newFolder()])
  const pool = new Pool(await firstLine(child), { connections: 1 })
  return {
    async ask(path: string) {
      const { body } = await pool.request({ path, method: 'GET' })
      const text = await body.text()
      if (text !== 'ok') throw new Error(`miniflare ${path}: ${text}`)
    },
    async stop() {
      await pool.destroy()
      await end(child)
    },
  }
}
