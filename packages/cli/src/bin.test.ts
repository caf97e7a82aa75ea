import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'

const bin = fileURLToPath(new URL('bin.ts', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'jack-cli-'))

/** The real command line in a process of its own, without anything of this machine's user. */
const jack = (
  args: string[],
  options: { cwd?: string; env?: Record<string, string>; input?: string } = {},
) =>
  execa(process.execPath, ['--conditions=jack:src', bin, ...args], {
    cwd: options.cwd ?? home,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_DATA_HOME: join(home, 'data'),
      ...options.env,
    },
    extendEnv: false,
    reject: false,
    input: options.input ?? '',
  })

const commands = readdirSync(new URL('commands', import.meta.url))
  .filter((file) => !file.endsWith('.test.ts'))
  .map((file) => file.replace('.ts', ''))
const nobody = 'http://127.0.0.1:9'

test('the version is that of the package, and help names every command', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  expect(await jack(['--version'])).toMatchObject({ stdout: version, stderr: '', exitCode: 0 })
  const help = await jack(['--help'])
  expect(help).toMatchObject({ stderr: '', exitCode: 0 })
  for (const command of commands) expect(help.stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
})

test('every command has help of its own', async () => {
  const all = await Promise.all(commands.map((command) => jack([command, '--help'])))
  for (const [i, { stdout, exitCode }] of all.entries()) {
    expect([exitCode, stdout.split(' [')[0]?.split('\n')[0]]).toEqual([
      0,
      `Usage: jack ${commands[i]}`,
    ])
  }
})

test('a wrong word ends with 2 and a better one, on stderr', async () => {
  const command = await jack(['deplyo'])
  expect(command).toMatchObject({ exitCode: 2, stdout: '' })
  expect(command.stderr).toContain("Unknown command 'deplyo'")
  expect(command.stderr).toContain('Did you mean deploy?')
  const flag = await jack(['deploy', '--nmae', 'x'])
  expect(flag.exitCode).toBe(2)
  expect(flag.stderr).toContain('Did you mean --name?')
})

test('with --json a failure is one JSON object on stdout and nothing else is said', async () => {
  const usage = await jack(['promote', '--json'])
  expect([usage.exitCode, usage.stderr]).toEqual([2, ''])
  expect(JSON.parse(usage.stdout).error).toMatchObject({
    code: 'usage',
    next: [{ command: 'jack promote --help' }],
  })
  const network = await jack(['ls', '--json', '--url', nobody])
  expect([network.exitCode, network.stderr]).toEqual([6, ''])
  expect(JSON.parse(network.stdout).error).toMatchObject({ code: 'network', url: nobody })
})

test('with --json help, the version and a script are one JSON object too', async () => {
  for (const [args, field] of [
    [['--version'], 'version'],
    [['--help'], 'help'],
    [['logs', '--help'], 'help'],
    [['help', 'logs'], 'help'],
    [['completion', 'bash'], 'script'],
  ] as const) {
    const { stdout, stderr, exitCode } = await jack([...args, '--json'])
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)[field]).toMatch(/\S/)
  }
})

test('who names no command, or none that there is, is told so', async () => {
  for (const [args, message] of [
    [['--json'], 'Which command?'],
    [['env', '--json'], 'jack env needs a command.'],
    [['help', 'nope', '--json'], "Unknown command 'nope'."],
  ] as const) {
    const { stdout, stderr, exitCode } = await jack([...args])
    expect([exitCode, stderr]).toEqual([2, ''])
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'usage', message })
  }
})

test('what is written wrongly is refused here, in words of the command line', async () => {
  for (const [args, message] of [
    [['balance', 'add', 'x'], '"x" is not an amount in USD.'],
    [['budget', 'my-api', '--daily', '-1'], '"-1" is not an amount in USD.'],
    [['env', 'import', '/nowhere', '-p', 'my-api'], 'No such file or folder (/nowhere).'],
    [['verify', 'my-api'], '"my-api" is not a URL.'],
    [['run', '-'], 'There is no program in it.'],
  ] as const) {
    const { stdout, exitCode } = await jack([...args, '--json', '--url', nobody])
    expect(exitCode).toBe(2)
    expect(JSON.parse(stdout).error).toMatchObject({ code: 'usage', message })
  }
})

test('a project is named as an argument or with -p, by every command alike', async () => {
  for (const command of ['info', 'logs', 'usage', 'rollback', 'renew', 'deployments']) {
    const { stdout } = await jack([command, '-p', 'my-api', '--json', '--url', nobody])
    expect(JSON.parse(stdout).error.code).toBe('network')
  }
})

test('nothing that is said holds the token', async () => {
  const token = 'jkt_abcdefghijklmnop'
  const all = await Promise.all([
    jack(['config'], { env: { JACK_TOKEN: token } }),
    jack(['config', '--json', '--token', token]),
    jack(['whoami', '--url', nobody, '--token', token, '--verbose']),
    jack(['whoami', '--url', `http://me:${token}@127.0.0.1:9`, '--json']),
    jack(['doctor', '--url', nobody], { env: { JACK_TOKEN: token } }),
    jack([token]),
  ])
  for (const { stdout, stderr } of all) expect(stdout + stderr).not.toContain(token)
  expect(all[0].stdout).toMatch(/token +jkt_abcd… +environment JACK_TOKEN/)
})

test('no command takes a token to a cloud that a repository chose', async () => {
  const told: string[] = []
  const thief = createServer((req, res) => {
    if (req.headers.authorization) told.push(req.headers.authorization)
    res.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(thief, 'listening')
  const { port } = thief.address() as AddressInfo
  const cwd = mkdtempSync(join(tmpdir(), 'jack-strange-'))
  // An address that is not known to be this machine's, so that it counts as anybody's.
  writeFileSync(
    join(cwd, 'jack.json'),
    JSON.stringify({ name: 'x', url: `http://[::ffff:7f00:1]:${port}` }),
  )
  const token = 'jkt_abcdefghijklmnop'
  const env = { JACK_TOKEN: token }
  const all = await Promise.all([
    jack(['whoami'], { cwd, env }),
    jack(['login'], { cwd, env }),
    jack(['login', '--token', '-'], { cwd, input: token }),
    jack(['doctor'], { cwd, env }),
  ])
  thief.close()
  expect(told).toEqual([])
  for (const { stdout, stderr } of all) expect(stdout + stderr).toContain('would be sent there')
})

test('config says where each value comes from', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'jack-cli-'))
  writeFileSync(join(cwd, 'jack.json'), '{"name": "my-api"}')
  const { stdout } = await jack(['config', '--json', '--url', 'https://jack.example.com/'], { cwd })
  expect(JSON.parse(stdout)).toEqual({
    url: { value: 'https://jack.example.com', origin: '--url' },
    token: { value: null, origin: 'not set' },
    project: { value: 'my-api', origin: join(cwd, 'jack.json') },
    data: { value: join(home, 'data/jack'), origin: 'default' },
    wallet: { value: null, origin: 'not set' },
    config_file: join(home, 'config/jack/config.json'),
  })
})

test('there is colour only where it is wanted', async () => {
  const coloured = await jack(['ls', '--url', nobody], { env: { FORCE_COLOR: '1' } })
  expect(coloured.stderr).toContain('\u001b[')
  for (const [args, env] of [
    [[], {}],
    [['--no-color'], { FORCE_COLOR: '1' }],
    [[], { NO_COLOR: '1' }],
  ] as const) {
    expect((await jack(['ls', '--url', nobody, ...args], { env })).stderr).not.toContain('\u001b[')
  }
})

test('a template is put into a new folder under its name, and nothing is overwritten', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'jack-cli-'))
  const { stdout, exitCode } = await jack(['new', 'My Api', '--template', 'hono-api', '--json'], {
    cwd,
  })
  expect(exitCode).toBe(0)
  expect(JSON.parse(stdout)).toEqual({
    name: 'my-api',
    template: 'hono-api',
    folder: join(cwd, 'My Api'),
    files: ['.gitignore', 'AGENTS.md', 'README.md', 'jack.json', 'package.json', 'src/index.ts'],
  })
  expect(JSON.parse(readFileSync(join(cwd, 'My Api/jack.json'), 'utf8'))).toEqual({
    name: 'my-api',
    main: 'src/index.ts',
  })
  const again = await jack(['init', 'worker', '--json'], { cwd: join(cwd, 'My Api') })
  expect(again.exitCode).toBe(5)
  expect(JSON.parse(again.stdout).error.message).toContain('README.md')
  const unknown = await jack(['init', 'rails'], { cwd })
  expect([unknown.exitCode, unknown.stderr]).toEqual([
    2,
    expect.stringContaining('hono-api, static-site, spa-vite'),
  ])
})

test('without a name, and without anybody to ask, the templates are listed and nothing is written', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'jack-cli-'))
  const { stdout, exitCode } = await jack(['init', '--json'], { cwd })
  expect([exitCode, readdirSync(cwd)]).toEqual([0, []])
  expect(JSON.parse(stdout).templates).toContainEqual({
    name: 'worker',
    is: 'one file that answers requests',
  })
  expect((await jack(['init'], { cwd })).stdout).toMatch(/^ {2}worker +one file/)
})

test('a program that does not compile ends with 8 and shows where', async () => {
  const cwd = mkdtempSync(join(tmpdir(), 'jack-cli-'))
  writeFileSync(join(cwd, 'sum.ts'), 'export const run = (a: number) => {\n  return a +\n}\n')
  const run = await jack(['run', 'sum.ts'], { cwd })
  expect(run.exitCode).toBe(8)
  expect(run.stderr).toContain('sum.ts:3:1')
  expect(run.stderr).toContain('3 │ }')
  const deploy = await jack(['deploy', '--json'], { cwd })
  expect(deploy.exitCode).toBe(8)
  expect(JSON.parse(deploy.stdout).error.errors[0]).toMatchObject({
    file: 'sum.ts',
    line: 3,
    column: 1,
  })
})

test('a shell understands its completion', async () => {
  const { stdout, exitCode } = await jack(['completion', 'bash'])
  expect(exitCode).toBe(0)
  const ask = (line: string) =>
    `${stdout}\nCOMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _jack; echo "\${COMPREPLY[@]}"`
  expect((await execa('bash', ['-c', ask('jack dep')])).stdout).toBe('deploy deployments')
  expect((await execa('bash', ['-c', ask('jack env --json s')])).stdout).toBe('set')
  expect((await execa('bash', ['-c', ask('jack deploy --dr')])).stdout).toBe('--dry-run')
  expect((await jack(['completion', 'tcsh'])).exitCode).toBe(2)
})

test('deleting has to be confirmed, and without a terminal by --yes', async () => {
  const { stdout, exitCode } = await jack(['rm', 'my-api', '--json', '--url', nobody])
  expect([exitCode, JSON.parse(stdout).error.next[0].command]).toEqual([2, 'jack rm my-api --yes'])
})
