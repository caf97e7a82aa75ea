import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Home, temporaryHome, type Up, up } from '../harness.ts'

// What others wrote to try out servers, against one as `jack up` starts it.
vi.setConfig({ testTimeout: 120_000 })
let home: Home
let cloud: Up
let withToken: Server
beforeAll(async () => {
  home = temporaryHome('conformance')
  cloud = await up(home, join(home.path, 'cloud'), { env: { JACK_CHAIN: 'none' } })
  withToken = await tokenAdder(cloud.ready)
}, 120_000)
afterAll(async () => {
  withToken?.close()
  await cloud?.stop()
  await home?.remove()
})

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const conformanceBin = file('../../node_modules/@modelcontextprotocol/conformance/dist/index.js')
/** Of the line that knows the newer revision. */
const nextBin = file('../../node_modules/conformance-authorization/dist/index.js')
const inspectorBin = file(
  '../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js',
)

const run = (bin: string, args: string[]) =>
  execa(process.execPath, [bin, ...args], {
    cwd: home.path,
    env: home.env,
    extendEnv: false,
    reject: false,
    timeout: 100_000,
  })

/** The suite can send no token: this sends its requests on as they are, with one. */
async function tokenAdder({ url, token }: Up['ready']): Promise<Server> {
  const { host, hostname, port } = new URL(url)
  const server = createServer((req, res) => {
    const own = req.headers.host ?? ''
    const mine = own === `${hostname}:${(server.address() as AddressInfo).port}`
    const headers = { ...req.headers, authorization: `Bearer ${token}` }
    if (mine) headers.host = host
    if (mine && req.headers.origin) headers.origin = `http://${host}`
    const onward = request(
      { hostname, port, path: req.url, method: req.method, headers },
      (answer) => {
        res.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(res)
      },
    )
    onward.on('error', () => res.destroy())
    req.pipe(onward)
  })
  await once(server.listen(0, hostname), 'listening')
  return server
}

const passed = [
  'server-initialize',
  'ping',
  'tools-list',
  'resources-list',
  'prompts-list',
  'dns-rebinding-protection',
]

test.each(['/mcp', '/mcp/public'])(
  'the official conformance suite passes against %s',
  async (path) => {
    const base =
      path === '/mcp'
        ? `http://127.0.0.1:${(withToken.address() as AddressInfo).port}`
        : cloud.ready.url
    const { stdout, exitCode } = await run(conformanceBin, [
      ...['server', '--url', `${base}${path}`],
      ...['--expected-failures', file('conformance.yml')],
      ...['--output-dir', join(home.path, 'results')],
    ])
    for (const scenario of passed) expect(stdout).toContain(`✓ ${scenario}:`)
    expect(exitCode, stdout.slice(-3_000)).toBe(0)
  },
)

interface Check {
  id: string
  status: string
  errorMessage?: string
  details?: { untestable?: boolean }
}

/** Scenarios call tools, prompts and resources of a demonstration server by name. */
const asksForDemonstration = ({ errorMessage = '', details }: Check): boolean =>
  details?.untestable === true ||
  /There is no (tool|prompt|resource) "?test[_:]|'json_schema_2020_12_tool' not found/.test(
    errorMessage,
  )

/** What else fails in the suite of the revision 2026-07-28. */
const known = {
  'completion-complete': 'completion is optional and not offered',
  'sep-2243-server-accepts-whitespace-header-value':
    'it calls add_balance without arguments, and takes what that answers for an objection to the header',
  'sep-2322-multi-round-r1': 'it needs a tool of the demonstration server',
  'sep-2322-reject-tampered-state': 'it needs a tool of the demonstration server',
  'sep-2575-server-sends-subscription-ack': 'nothing changes that could be listened for: refused',
  'sep-2575-server-tags-subscription-id': 'the same',
}

test('of the suite of the revision 2026-07-28 all passes that needs no demonstration server', async () => {
  const output = join(home.path, 'next')
  await run(nextBin, [
    ...['server', '--url', `${cloud.ready.url}/mcp/public`],
    ...['--requirements', '2026-07-28', '--output-dir', output],
  ])
  // Tasks are an extension, and not offered.
  const folders = (await readdir(output)).filter((it) => !it.startsWith('server-tasks-'))
  const read = (it: string) => readFile(join(output, it, 'checks.json'), 'utf8')
  const checks: Check[] = (await Promise.all(folders.map(read))).flatMap((it) => JSON.parse(it))
  const failed = checks.filter((it) => it.status === 'FAILURE' && !asksForDemonstration(it))
  expect(failed.map((it) => it.id).toSorted()).toEqual(Object.keys(known).toSorted())
  expect(checks.filter((it) => it.status === 'SUCCESS').length).toBeGreaterThan(85)
})

test.each(['legacy', 'modern'])(
  'the inspector lists tools, finds no fault with them, and calls one (%s)',
  async (era) => {
    const { url, token } = cloud.ready
    const inspect = (...args: string[]) =>
      run(inspectorBin, [
        ...['--cli', `${url}/mcp`, '--transport', 'http', '--protocol-era', era],
        ...['--header', `Authorization: Bearer ${token}`, ...args],
      ])
    const listed = await inspect('--method', 'tools/list', '--strict')
    expect(listed.exitCode, listed.stderr).toBe(0)
    expect(listed.stderr).toContain('0 errors')
    const { tools } = JSON.parse(listed.stdout)
    expect(tools.map((it: { name: string }) => it.name)).toContain('execute_code')
    const called = await inspect(
      ...['--method', 'tools/call', '--tool-name', 'execute_code'],
      ...['--tool-arg', 'code=export const run = (n) => n * 2', '--tool-arg', 'input=21'],
    )
    expect(JSON.parse(called.stdout).structuredContent).toMatchObject({ result: 42 })
  },
)
