import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createJack, localFetch } from '@jackcloud/sdk/node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporaryHome, type Up, up } from '../harness.ts'
import { holdings } from './holdings.ts'

const home = temporaryHome('connections')
let cloud: Up
beforeAll(async () => {
  cloud = await up(home, join(home.path, 'cloud'))
})
afterAll(async () => {
  await cloud.stop()
  await home.remove()
})

/** As many as there are descriptors for, here and there; ten thousand where nobody lowered the limit. */
const wanted = Math.min(10_000, descriptors() - 2_000)

function descriptors(): number {
  const line = /Max open files +\d+ +(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))
  return Number(line?.[1] ?? 10_000)
}

test(`${wanted} connections at once cost little, and keep nobody from being answered`, async () => {
  const { url, token, pid } = cloud.ready
  const app = await createJack({ url, token }).deploy({
    name: 'idle',
    files: { 'index.ts': `export default { fetch: () => new Response('here') }` },
  })
  const { host, port } = new URL(app.url)
  expect(await (await localFetch(app.url, {})).text()).toBe('here')
  const before = holdings(pid).memoryMb

  const sockets: Socket[] = []
  let answered = 0
  let closed = 0
  while (sockets.length < wanted) {
    const some = Array.from({ length: 250 }, () => connect(Number(port), '127.0.0.1'))
    sockets.push(...some)
    await Promise.all(
      some.map(
        (socket) =>
          new Promise<void>((resolve, reject) => {
            socket.once('error', reject).once('close', () => closed++)
            socket.once('data', () => {
              answered++
              resolve()
            })
            socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
          }),
      ),
    )
  }
  expect([answered, closed]).toEqual([sockets.length, 0])
  const perConnectionKb = ((holdings(pid).memoryMb - before) * 1_024) / sockets.length
  const began = performance.now()
  for (let i = 0; i < 100; i++) expect(await (await localFetch(app.url, {})).text()).toBe('here')
  const ms = (performance.now() - began) / 100
  console.log(
    `${sockets.length} connections: ${perConnectionKb.toFixed(1)} KB each; a request among them takes ${ms.toFixed(1)} ms`,
  )
  expect(perConnectionKb).toBeLessThan(40)
  for (const socket of sockets) socket.destroy()
  // A request as any other, once they are gone.
  expect(await (await localFetch(app.url, {})).text()).toBe('here')
})
