import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Operation, operations } from '@jackcloud/sdk/wire'
import spectral from '@stoplight/spectral-core'
import rulesets from '@stoplight/spectral-rulesets'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testChain } from '../payments/localnet/testing.ts'
import { type TestCloud, testCloud } from '../testing/cloud.ts'

const chain = testChain()
let cloud: TestCloud
let text: string
beforeAll(async () => {
  cloud = await testCloud({ JACK_CHAIN: 'local', JACK_RPC_URL: (await chain()).rpcUrl })
  text = await (await fetch(`${cloud.url}/openapi.json`)).text()
})
afterAll(() => cloud.close())

test('redocly finds nothing to say about the description of the API', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'jack-openapi-'))
  await writeFile(join(folder, 'openapi.json'), text)
  const redocly = fileURLToPath(import.meta.resolve('@redocly/cli/bin/cli.js'))
  const { all, exitCode } = await execa(
    process.execPath,
    [redocly, 'lint', 'openapi.json', '--extends=recommended', '--format=json'],
    {
      cwd: folder,
      all: true,
      reject: false,
      env: { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    },
  )
  await rm(folder, { recursive: true })
  expect(all).toContain('"totals": {\n    "errors": 0,\n    "warnings": 0,')
  expect(exitCode).toBe(0)
})

test('spectral finds nothing to say about it, with all of its rules for OpenAPI', async () => {
  const linter = new spectral.Spectral()
  linter.setRuleset({
    extends: [[rulesets.oas, 'all']],
    // It wants an address for mail; an operator's is not ours to tell.
    rules: { 'contact-properties': 'off' },
  } as Parameters<typeof linter.setRuleset>[0])
  const found = await linter.run(JSON.parse(text))
  expect(found.map((it) => `${it.code}: ${it.message} ${it.path.join('.')}`)).toEqual([])
})

test('every operation that takes a body shows one that is accepted', () => {
  for (const [name, it] of Object.entries<Operation>(operations)) {
    if (!it.body) continue
    expect([name, it.example]).toEqual([name, expect.any(Object)])
    expect([name, it.body.safeParse(it.example).error]).toEqual([name, undefined])
    expect(text).toContain(
      `"example":${JSON.stringify(it.multipart ? { manifest: it.example } : it.example)}`,
    )
  }
})
