import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  commandLine,
  eventually,
  fromSource,
  type Json,
  live,
  temporaryHome,
  type Up,
  up,
} from './harness.ts'
import { processesOf } from './processes.ts'

const home = temporaryHome('logs')
const data = join(home.path, 'cloud')
const { jack, json } = commandLine(home)
const folder = join(home.path, 'speaker')
let cloud: Up
let env: Record<string, string>

beforeAll(async () => {
  cloud = await up(home, data)
  env = { JACK_URL: cloud.ready.url, JACK_TOKEN: cloud.ready.token }
  mkdirSync(join(folder, 'src'), { recursive: true })
  writeFileSync(join(folder, 'jack.json'), '{ "name": "speaker", "main": "src/index.ts" }')
  writeFileSync(
    join(folder, 'src', 'index.ts'),
    `export default {
  async fetch(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname
    if (path === '/throw') throw new Error('on purpose')
    console.log(\`asked for \${path}\\u001b[2J\\n2026-01-01 00:00:00.000 jack  forged\`)
    return new Response('ok')
  },
}
`,
  )
}, 120_000)

afterAll(async () => {
  if (cloud) await cloud.stop()
  for (const { pid } of processesOf(home.path)) process.kill(pid, 'SIGKILL')
  await home.remove()
}, 60_000)

const urlOf = (path: string) => `http://local-speaker.${cloud.ready.domain}${path}`

test('jack logs -f goes on when the server is killed and started anew, without loss or doubles', async () => {
  expect(await json(['deploy', folder], { env })).toMatchObject({ exitCode: 0, name: 'speaker' })
  await live(urlOf('/before'))
  const [file, ...args] = fromSource
  const child = spawn(file, [...args, 'logs', 'speaker', '-f', '--json'], {
    cwd: home.path,
    env: { ...home.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: Json[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)))
  const asked = () => lines.map((line) => /^asked for (\/\w+)/.exec(line.message)?.[1])
  await eventually(() => expect(asked()).toEqual(['/before']))
  await live(urlOf('/during'))
  await eventually(() => expect(asked()).toEqual(['/before', '/during']))
  process.kill(cloud.ready.pid, 'SIGKILL')
  await cloud.ended
  cloud = await up(home, data, { port: new URL(cloud.ready.url).port })
  expect(await (await live(urlOf('/after'))).text()).toBe('ok')
  await eventually(() => expect(asked()).toEqual(['/before', '/during', '/after']), 30_000)
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([130, null])
}, 120_000)

test('jack logs shows lines that nothing forges, stacks in the words of the folder, and finds a request', async () => {
  const { status, headers } = await live(urlOf('/throw'))
  expect(status).toBe(500)
  const request = headers.get('x-request-id') as string
  const show = async (...args: string[]) =>
    (await jack(['logs', 'speaker', ...args], { env })).stdout
  await eventually(async () => expect(await show('--request', request)).not.toBe(''))
  expect(await show('--request', request)).toMatch(
    new RegExp(
      `^[\\d-]{10} [\\d:.]{12} error Uncaught Error: on purpose  ${request}\n {8}at Object\\.fetch \\(src/index\\.ts:4:\\d+\\)$`,
    ),
  )
  expect(await show('--query', 'before')).toMatch(
    /^[\d-]{10} [\d:.]{12} log {3}asked for \/before {2}req_\w+\n {4}2026-01-01 00:00:00\.000 jack {2}forged$/,
  )
  expect(await show('--level', 'error', '--since', '1h', '--until', '0s', '-n', '1')).toContain(
    'on purpose',
  )
})
