import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agent } from './agents/stdio.ts'
import { type Command, commandLine, live, temporaryHome, text, type Up, up } from './harness.ts'
import { allProcesses, processesOf } from './processes.ts'

// What npm would publish, installed with npm into an empty folder, and used there.
const root = fileURLToPath(new URL('..', import.meta.url))
const names = ['api', 'bundler', 'cli', 'sdk']
const home = temporaryHome('packed')
const folder = join(home.path, 'installed')
const tarballs = join(home.path, 'tarballs')
const installedCli: Command = [join(folder, 'node_modules/.bin/jack')]
const { jack, json } = commandLine(home, installedCli)
let cloud: Up | undefined

// The Node of this run, also for what starts by a shebang.
home.env.PATH = [dirname(process.execPath), process.env.PATH].join(delimiter)

const run = (cwd: string, file: string, ...args: string[]) =>
  execa(file, args, { cwd, env: home.env, extendEnv: false, all: true })

/** This workspace's package manager: the one that runs us, else the one of the README. */
async function pnpm(cwd: string, ...args: string[]): Promise<string> {
  const found = (home.env.PATH ?? '').split(delimiter).some((it) => existsSync(join(it, 'pnpm')))
  const [file, ...first] = found ? ['pnpm'] : ['npx', '-y', 'pnpm@12']
  const env = {
    ...process.env,
    ...home.env,
    HOME: process.env.HOME,
    npm_config_cache: await npmCache(),
  }
  const { all } = await execa(file as string, [...first, ...args], {
    cwd,
    env,
    extendEnv: false,
    all: true,
  })
  return all
}

/** The user's own: what was downloaded once is not downloaded again. */
const npmCache = async () => (await execa('npm', ['config', 'get', 'cache'], { cwd: '/' })).stdout

async function install(...packages: string[]): Promise<void> {
  const files = packages.map((name) => join(tarballs, `${name}.tgz`))
  home.env.npm_config_cache = await npmCache()
  await run(folder, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', ...files)
}

beforeAll(async () => {
  mkdirSync(folder)
  mkdirSync(tarballs)
  const built = await pnpm(root, 'build')
  // publint, of every package.
  expect(built.match(/All good!/g)).toHaveLength(names.length)
  for (const name of names) {
    await pnpm(join(root, 'packages', name), 'pack', '--out', join(tarballs, `${name}.tgz`))
  }
}, 120_000)

afterAll(async () => {
  await cloud?.stop()
  await home.remove()
}, 60_000)

test.each(names)('the package %s holds what it should, and nothing else', async (name) => {
  const unpacked = join(home.path, 'unpacked', name)
  mkdirSync(unpacked, { recursive: true })
  await run(unpacked, 'tar', 'xzf', join(tarballs, `${name}.tgz`), '--strip-components=1')
  const files = readdirSync(unpacked, { recursive: true, withFileTypes: true })
    .filter((it) => it.isFile())
    .map((it) => join(it.parentPath, it.name).slice(unpacked.length + 1))
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'package.json']))
  expect(
    files.filter((it) => /[./](test|spec|contract|snap|tsbuildinfo)\b|testing|^\.|\.env/.test(it)),
  ).toEqual([])

  const text = readFileSync(join(unpacked, 'package.json'), 'utf8')
  expect(text).not.toContain('workspace:')
  const { version, bin = {}, exports = {} } = JSON.parse(text)
  expect(version).toMatch(/^\d+\.\d+\.\d+$/)
  for (const file of Object.values<string>(bin)) {
    expect(readFileSync(join(unpacked, file), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
    expect(statSync(join(unpacked, file)).mode & 0o111).not.toBe(0)
  }
  const pointed = JSON.stringify(exports).match(/"\.\/[^"]+\.[a-z.]+"/g) ?? []
  for (const file of pointed) expect(files).toContain(JSON.parse(file).slice(2))
  // Neither code nor source maps know where they were built.
  for (const file of files.filter((it) => it.startsWith('dist/')))
    expect(readFileSync(join(unpacked, file), 'utf8')).not.toContain(root)
  // Every map is of a file that is there.
  for (const file of files.filter((it) => it.endsWith('.js.map')))
    expect(files).toContain(file.slice(0, -4))
})

test('npm installs the command line into an empty folder; it says what it is, and that the server is missing', async () => {
  await install('cli', 'sdk', 'bundler')
  const { version } = JSON.parse(readFileSync(join(root, 'packages/cli/package.json'), 'utf8'))
  expect((await jack(['--version'], { cwd: folder })).stdout).toBe(version)
  const help = await jack(['--help'], { cwd: folder })
  expect([help.exitCode, help.stderr]).toEqual([0, ''])
  expect(help.stdout).toContain('start a whole Jack Cloud on this machine')
  expect(await json(['up'], { cwd: folder })).toMatchObject({
    exitCode: 2,
    error: { message: 'The server is not installed.', next: expect.any(Array) },
  })
}, 120_000)

test('the installed command line deploys to a cloud and runs programs on it', async () => {
  cloud = await up(home, join(home.path, 'cloud'))
  await useIt()
  await cloud.stop()
}, 120_000)

test('with the server installed beside it, jack up brings up a whole cloud', async () => {
  await install('cli', 'sdk', 'bundler', 'api')
  cloud = await up(home, join(home.path, 'own cloud'), { command: installedCli, cwd: folder })
  const server = allProcesses().find(({ pid }) => pid === cloud?.ready.pid)
  expect(server?.command).toContain(join(folder, 'node_modules/@jackcloud/api/dist/main.js'))
  await useIt()
  // The watchdog's thread is there.
  const endless = 'export const run = () => { for (;;); }'
  expect(await json(['run', '-'], { cwd: folder, input: endless })).toMatchObject({
    exitCode: 8,
    error: { code: 'cpu_limit_exceeded' },
  })
  await cloud.stop()
  expect(await cloud.ended).toEqual({ code: 0, signal: null })
  expect(processesOf(home.path)).toEqual([])
}, 120_000)

test('a program uses the installed client, and its types', async () => {
  const program = `
    import { createJack, JackError } from '@jackcloud/sdk'
    import * as node from '@jackcloud/sdk/node'
    import { bundle } from '@jackcloud/bundler'
    const { digest } = await bundle({ 'index.ts': 'export const run = (n: number) => n' })
    const error = await createJack({ url: 'http://127.0.0.1:1', retries: 0 }).me().catch((it) => it)
    console.log(digest.length, error instanceof JackError, error instanceof node.JackError, error.code)`
  const { stdout } = await run(folder, process.execPath, '--input-type=module', '-e', program)
  expect(stdout).toBe('64 true true network')

  const typed = `
    import { createJack } from '@jackcloud/sdk'
    import { deployFolder } from '@jackcloud/sdk/node'
    import { readProgram } from '@jackcloud/bundler'
    const jack = createJack({ token: 'jkt_x' })
    export const url: Promise<string> = deployFolder(jack, '.').then((it) => it.url)
    export const flags = async (): Promise<string[]> => (await readProgram('.')).settings.compatibilityFlags
    // @ts-expect-error A number is no program.
    void jack.execute({ code: 1 })`
  writeFileSync(join(folder, 'typed.ts'), typed)
  const options = [
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--strict',
    '--skipLibCheck',
    '--noEmit',
  ]
  const tsc = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')))
  const checked = await run(folder, process.execPath, tsc, ...options, '--types', '', 'typed.ts')
  expect(checked.all).toBe('')
})

test('what agents read comes with the packages', async () => {
  const skill = readFileSync(join(root, 'skill/SKILL.md'), 'utf8')
  await json(['skill', 'install', '--dir', 'skills'], { cwd: folder })
  expect(readFileSync(join(folder, 'skills/jack/SKILL.md'), 'utf8')).toBe(skill)
  cloud = await up(home, join(home.path, 'own cloud'), { command: installedCli, cwd: folder })
  expect(await text(`${cloud.ready.url}/SKILL.md`)).toBe(skill)
  await cloud.stop()
}, 120_000)

/** Makes a project from a template, deploys it, visits it, and runs something. */
async function useIt(): Promise<void> {
  const made = await json(['new', 'my-api', '--template', 'hono-api'], { cwd: home.path })
  expect(made.exitCode === 0 || made.error.code === 'conflict').toBe(true)
  const cwd = join(home.path, 'my-api')
  const { url, exitCode } = await json(['deploy'], { cwd })
  expect(exitCode).toBe(0)
  expect(await text(`${url}/greet/you`)).toBe('{"greeting":"Hello, you!"}')
  expect((await live(`${url}/nowhere`)).status).toBe(404)
  const sum = await jack(['run', '-', '--input', '{"a":20}'], {
    cwd: folder,
    input: 'export const run = ({ a }) => a + 22',
  })
  expect([sum.exitCode, sum.stdout]).toEqual([0, '42'])
  const { client, call } = await agent(home, { command: installedCli, cwd: folder })
  const code = 'export const run = () => 6 * 7'
  expect(await call('execute_code', { code })).toMatchObject({ result: 42 })
  await client.close()
}
