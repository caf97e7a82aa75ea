import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createJack, type Jack, localFetch } from '@jackcloud/sdk/node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, temporaryHome, text, type Up, up } from './harness.ts'

// A cloud whose disk gets full, and has room again. What a process may write is limited by the kernel, for that process
// alone, so that nothing else on the machine is touched.
const home = temporaryHome('disk')
const data = join(home.path, 'cloud')
let cloud: Up
let jack: Jack

beforeAll(async () => {
  cloud = await up(home, data)
  const { url, token } = cloud.ready
  jack = createJack({ url, token, fetch: localFetch, retries: 0 })
}, 120_000)

afterAll(async () => {
  if (cloud) {
    mayWrite('unlimited')
    await cloud.stop()
  }
  await home.remove()
}, 60_000)

/** How many bytes a file may have that the server writes. */
const mayWrite = (bytes: string) =>
  execFileSync('prlimit', [`--pid=${cloud.ready.pid}`, `--fsize=${bytes}:unlimited`])

const worker = (says: string) => `export default { fetch: () => new Response('${says}') }`
const urlOf = (name: string) => `http://local-${name}.${cloud.ready.domain}`

test('on a full disk a deploy fails and says why, what is live goes on, and with room everything does', async () => {
  await jack.deploy({ name: 'before', files: { 'index.js': worker('before') } })
  expect(await text(urlOf('before'))).toBe('before')

  mayWrite('0')
  for (const files of [
    { 'index.html': `<h1>${'x'.repeat(400_000)}</h1>` },
    { 'index.js': worker('during') },
  ]) {
    const failed = jack.deploy({ name: 'during', files })
    await expect(failed).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('disk of this cloud is full'),
    })
  }
  const again = jack.deploy({ name: 'before', files: { 'index.js': worker('changed') } })
  await expect(again).rejects.toMatchObject({ code: 'unavailable' })
  expect(await text(urlOf('before'))).toBe('before')

  mayWrite('unlimited')
  await eventually(async () => {
    await expect(jack.projects.get('during')).rejects.toMatchObject({ code: 'not_found' })
  })
  expect(readdirSync(join(data, 'blobs/incoming'))).toEqual([])
  await eventually(async () => {
    await jack.deploy({ name: 'during', files: { 'index.js': worker('after') } })
  })
  expect(await text(urlOf('during'))).toBe('after')
  expect(await text(urlOf('before'))).toBe('before')

  const receipts = await Array.fromAsync(jack.allReceipts())
  const micro = (usd: string) => Math.round(Number(usd) * 1e6)
  const { balance_usd, held_usd } = await jack.balance()
  expect(receipts.filter((it) => it.reason === 'deploy')).toHaveLength(2)
  expect(receipts.reduce((sum, it) => sum + micro(it.amount_usd), 0)).toBe(
    micro(balance_usd) + micro(held_usd),
  )
  await eventually(async () => {
    const { total } = await jack.projects.usage('before')
    expect(total.requests).toBe(3)
  })
}, 180_000)
