import { readFile } from 'node:fs/promises'
import { defaultCompatibilityDate } from '@jackcloud/sdk/wire'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../testing/cloud.ts'
import { bareWorkerd } from './testing/bareWorkerd.ts'
import { cases } from './testing/webSocketCases.ts'
import { converse, type Target } from './testing/webSocketClient.ts'

let cloud: TestCloud
let bare: Awaited<ReturnType<typeof bareWorkerd>>
let hosted: Target
let alone: Target

beforeAll(async () => {
  const echo = await readFile(new URL('testing/webSocketEcho.js', import.meta.url), 'utf8')
  cloud = await testCloud()
  bare = await bareWorkerd(echo, defaultCompatibilityDate)
  const { json } = await cloud.api('POST', '/deploy', { name: 'echo', files: { 'index.js': echo } })
  const { host, port } = new URL(json.url)
  hosted = { host, port: Number(port) }
  alone = { host, port: bare.port }
})

afterAll(async () => {
  await bare?.stop()
  await cloud?.close()
})

test.concurrent.each(Object.entries(cases))(
  'a WebSocket through the gateway is what workerd makes of it: %s',
  async (name, it) => {
    const [through, direct] = await Promise.all([
      converse(hosted, name, it),
      converse(alone, name, it),
    ])
    expect(through).toEqual(direct)
    expect(direct.status).not.toBe('none')
  },
)
