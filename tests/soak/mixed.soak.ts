import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JackError } from '@jackcloud/sdk'
import { createJack, localFetch } from '@jackcloud/sdk/node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryHome, type Up, up } from '../harness.ts'
import { holdings } from './holdings.ts'

const minutes = Number(process.env.JACK_SOAK_MINUTES ?? 5)
const home = temporaryHome('soak')
let cloud: Up
beforeAll(async () => {
  cloud = await up(home, join(home.path, 'cloud'), {
    env: {
      JACK_IDLE_MS: '5000',
      JACK_LOCAL_CREDIT_USD: '1000000',
      JACK_REQUESTS_PER_MINUTE: '10000000',
    },
  })
})
afterAll(async () => {
  await cloud.stop()
  await home.remove()
})

const source = (n: number, i: number) =>
  `export default { fetch(request) { console.log('request', ${i}); return new Response('app ${n}, version ${i}') } }`

test(`${minutes} minutes of everything at once lose no request and leave nothing behind`, async () => {
  const { url, token, pid } = cloud.ready
  const jack = createJack({ url, token })
  let until = 0
  const counts = { executions: 0, spinners: 0, deploys: 0, requests: 0 }
  const apps = new Map<number, { url: string; versions: Set<string> }>()

  const forever = async (work: () => Promise<void>, pauseMs: number) => {
    while (Date.now() < until) {
      await work()
      await sleep(pauseMs)
    }
  }
  const executing = () =>
    forever(async () => {
      const n = counts.executions++
      const { result } = await jack.execute({ code: 'export const run = (n) => n + 1', input: n })
      expect(result).toBe(n + 1)
    }, 20)
  const spinning = () =>
    forever(async () => {
      counts.spinners++
      const spun = jack.execute({ code: 'export const run = () => { for (;;); }' })
      await expect(spun).rejects.toMatchObject({
        code: 'cpu_limit_exceeded',
      } satisfies Partial<JackError>)
    }, 500)
  const deploying = () =>
    forever(async () => {
      const n = counts.deploys++ % 30
      const i = counts.deploys
      const app = apps.get(n) ?? { url: '', versions: new Set<string>() }
      app.versions.add(`app ${n}, version ${i}`)
      apps.set(n, app)
      app.url = (await jack.deploy({ name: `soak-${n}`, files: { 'index.ts': source(n, i) } })).url
    }, 200)
  const visiting = () =>
    forever(async () => {
      const live = [...apps.values()].filter((app) => app.url)
      const app = live[counts.requests % Math.max(1, live.length)]
      if (!app) return
      counts.requests++
      const response = await localFetch(app.url, {})
      const text = await response.text()
      expect(response.status, text).toBe(200)
      expect([...app.versions]).toContain(text)
    }, 5)

  // Two rounds of the same: what the first leaves is kept for use, what the second adds to it is a leak.
  const round = async () => {
    until = Date.now() + (minutes / 2) * 60_000
    await Promise.all([executing(), executing(), spinning(), deploying(), visiting(), visiting()])
    // Every app sleeps again, every process that was recycled is gone.
    await sleep(15_000)
    return holdings(pid)
  }
  const first = await round()
  const second = await round()
  console.log({ minutes, counts, first, second })
  expect(second.processes).toBeLessThanOrEqual(first.processes + 1)
  expect(second.files).toBeLessThanOrEqual(first.files + 10)
  expect(second.memoryMb).toBeLessThan(first.memoryMb + 100)
  expect((await jack.balance()).held_usd).toBe('0.000000')
})
