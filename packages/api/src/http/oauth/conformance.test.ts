import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestCloud, testCloud } from '../../testing/cloud.ts'
import { decide, Program, signedInBrowser } from '../../testing/oauth.ts'

// What the authors of MCP wrote to try out authorization servers.
const bin = fileURLToPath(
  new URL('../../../../../node_modules/conformance-authorization/dist/index.js', import.meta.url),
)
let cloud: TestCloud
beforeAll(async () => {
  cloud = await testCloud()
})
afterAll(() => cloud.close())

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** What was checked, by its id. */
function checksIn(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const checks = files
    .filter((it) => it.endsWith('checks.json'))
    .flatMap((it): { id: string; status: string }[] =>
      JSON.parse(readFileSync(join(folder, it), 'utf8')),
    )
  return Object.fromEntries(checks.map(({ id, status }) => [id, status]))
}

test('the conformance suite for authorization servers passes, without an exception', async () => {
  const browser = await signedInBrowser(cloud)
  const { clientId } = await Program.register(cloud, 'http://127.0.0.1/callback')
  const folder = mkdtempSync(join(tmpdir(), 'jack-conformance-'))
  const options = { url: cloud.url, 'client-id': clientId, resource: `${cloud.url}/mcp` }
  const child = spawn(
    process.execPath,
    [
      bin,
      'authorization',
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
      ...['--port', String(await freePort()), '--output-dir', folder],
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith(`${cloud.url}/oauth/authorize?`)) continue
    const { pathname, search } = new URL(line)
    const { location = '' } = await decide(browser, await browser.get(pathname + search))
    expect((await fetch(location)).status).toBe(200)
  }
  expect(checksIn(folder)).toEqual({
    'authorization-server-metadata': 'SUCCESS',
    'authorization-server-metadata-cimd': 'SUCCESS',
    'authorization-code-grant': 'SUCCESS',
  })
  expect(await exited).toBe(0)
})
