import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readSkill } from '@jackcloud/sdk/skill'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import {
  commandLine,
  eventually,
  fromSource,
  type Home,
  type Json,
  live,
  temporaryHome,
  text,
} from '../harness.ts'
import { type PaidCloud, paidCloud } from '../payments/paying.ts'

// An agent that has read SKILL.md and nothing else types what stands there, from top to bottom.
vi.setConfig({ testTimeout: 600_000 })
const { text: skill } = readSkill()
let paid: PaidCloud
beforeAll(async () => {
  paid = await paidCloud('skill')
}, 120_000)
afterAll(() => paid?.close(), 60_000)

interface Block {
  section: string
  /** Who runs it; undefined for everybody. */
  only: string | undefined
  code: string
}

/** Every fenced block in order. */
const blocks: Block[] = skill.split(/^## /m).flatMap((part) =>
  [...part.matchAll(/(?:<!-- (\w+) -->\n)?```(\w*)\n(.*?)```\n/gs)].map(
    ([, only, language, code]) => {
      expect(language).toBe('sh')
      return { section: part.slice(0, part.indexOf('\n')), only, code: code as string }
    },
  ),
)

/** Commands in the text between the blocks. */
const inline = [...skill.replace(/```.*?```/gs, '').matchAll(/`((?:jack|curl) [^`]+)`/g)].map(
  ([, command]) => command as string,
)

async function agent(name: 'token' | 'wallet', env: Record<string, string>) {
  const home: Home = temporaryHome(`agent-${name}`)
  const folder = join(home.path, 'work')
  for (const it of [folder, join(home.path, 'bin')]) await mkdir(it)
  const jack = fromSource.map((it) => `'${it}'`).join(' ')
  await writeFile(join(home.path, 'bin/jack'), `#!/bin/sh\nexec ${jack} "$@"\n`, { mode: 0o755 })
  const type = async (code: string, cwd = folder): Promise<Said> => {
    const { stdout, stderr, exitCode } = await execa('bash', ['-euo', 'pipefail', '-c', code], {
      cwd,
      extendEnv: false,
      reject: false,
      input: '',
      env: {
        ...home.env,
        PATH: `${home.path}/bin:${process.env.PATH}`,
        JACK_URL: paid.url,
        ...env,
      },
    })
    const lines = stdout.split('\n')
    const json = lines.filter((it) => /^\{.*\}$/.test(it)).map((it) => JSON.parse(it) as Json)
    return { stdout, stderr, exitCode, json }
  }
  /** Types the blocks of a section that are for this agent; each has to work. */
  const follow = async (section: string, which?: number): Promise<Json[]> => {
    const mine = blocks.filter((it) => it.section === section && (!it.only || it.only === name))
    expect(mine.length, section).toBeGreaterThan(0)
    const json: Json[] = []
    for (const { code } of which === undefined ? mine : mine.slice(which, which + 1)) {
      const said = await type(code)
      expect([said.exitCode, code], said.stdout + said.stderr).toEqual([0, code])
      json.push(...said.json)
      done.add(code)
    }
    return json
  }
  const done = new Set<string>()
  return { home, folder, type, follow, done }
}

interface Said {
  stdout: string
  stderr: string
  exitCode: number | undefined
  json: Json[]
}

type Agent = Awaited<ReturnType<typeof agent>>

/** From nothing to a live URL, changed, looked at, gone back with and deleted. */
async function walk({ follow, type, folder }: Agent): Promise<void> {
  const tooMuch = await type('jack run - --max-spend 0.009 --json <<< "export const run = () => 1"')
  expect([tooMuch.exitCode, tooMuch.json[0]?.error.code]).toEqual([7, 'spending_limit'])
  const [ran] = await follow('Run once')
  expect(ran).toMatchObject({ result: 42, charged_usd: '0.010000' })

  const [dryRun, deployed, answer] = await follow('Deploy')
  expect(dryRun).toMatchObject({ price_usd: '0.050000' })
  expect([deployed?.charged_usd, answer]).toEqual(['0.050000', { hello: 'world' }])
  const url = deployed?.url as string
  expect(await readFile(join(folder, 'AGENTS.md'), 'utf8')).toContain(`hello runs at ${url}. `)

  const [changed, again, ...env] = await follow('Change it')
  expect(changed).toMatchObject({ deduplicated: false, charged_usd: '0.050000' })
  expect(again).toEqual({ hello: 'again' })
  expect(JSON.stringify(env)).toContain('API_KEY')
  expect(JSON.stringify(env)).not.toContain('a-secret')

  await eventually(async () =>
    expect((await type('jack logs hello --json')).stdout).toContain('"GET /"'),
  )
  const looked = await follow('Look')
  expect(looked.map((it) => it.message)).toContain('GET /')
  expect(looked.at(-1)).toMatchObject({ same: true })

  await follow('Go back, delete', 0)
  expect(JSON.parse(await text(url))).toEqual({ hello: 'world' })

  const todo = await follow('A database')
  expect(await text(todo.at(-1)?.url)).toBe('in pieces')
  await follow('Go back, delete', 1)
  expect((await live(url)).status).toBe(404)
}

/** Commands that are named between the blocks work too. */
async function mentioned({ type, folder }: Agent): Promise<void> {
  for (const command of inline.filter((it) => !/^jack (up|whoami|login|token create) /.test(it))) {
    const said = await type(command, join(folder, 'todo'))
    expect([command, said.exitCode], said.stdout + said.stderr).toEqual([command, 0])
    if (command.startsWith('curl')) expect(`${said.stdout}\n`).toBe(skill)
  }
}

test('what the skill points to on the cloud is there', async () => {
  const paths = [...skill.matchAll(/`?\$JACK_URL(\/[\w./]+)/g)].map(([, path]) => path as string)
  expect(new Set(paths).size).toBeGreaterThan(4)
  for (const path of new Set(paths)) {
    const method = path.startsWith('/mcp') || path === '/deploy' ? 'POST' : 'GET'
    const { status } = await fetch(paid.url + path, { method })
    expect([path, status]).not.toEqual([path, 404])
  }
})

test('with a token, the skill leads from nothing to a live URL and back', async () => {
  const owner = commandLine(paid.home)
  const make = inline.find((it) => it.startsWith('jack token create')) as string
  const { token } = await owner.json(make.split(' ').slice(1, -1))
  const it = await agent('token', { JACK_TOKEN: token })
  try {
    expect((await it.type('jack whoami --json')).exitCode).toBe(0)
    await walk(it)
    const [byHttp] = await it.follow('Without the command')
    expect(await text(byHttp?.url)).toBe('hi')
    await mentioned(it)
    expectAllRun(it, 'token')
  } finally {
    await it.home.remove()
  }
})

test('with a wallet, the skill leads from nothing to a live URL and back, and the rest of the money too', async () => {
  const it = await agent('wallet', {})
  try {
    expect((await it.type('jack whoami --json')).exitCode).toBe(3)
    const [wallet] = await it.follow('Set up')
    const address = wallet?.address
    const before = await paid.balanceOf(address)
    expect(before).toBeGreaterThan(1_000_000n)
    await walk(it)
    await it.follow('Money with a wallet')
    // One run and four deploys; what runtime and gas cost is far below a cent or two. Everything else came back.
    const spent = before - (await paid.balanceOf(address))
    expect(spent).toBeGreaterThanOrEqual(210_000n)
    expect(spent).toBeLessThan(250_000n)
    expectAllRun(it, 'wallet')
  } finally {
    await it.home.remove()
  }
})

const expectAllRun = ({ done }: Agent, name: string) =>
  expect(blocks.filter((it) => !it.only || it.only === name).map((it) => it.code)).toEqual([
    ...new Set(blocks.map((it) => it.code).filter((code) => done.has(code))),
  ])
