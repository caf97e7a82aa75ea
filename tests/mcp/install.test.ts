import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { commandLine, temporaryHome } from '../harness.ts'

// `jack mcp install` as somebody types it, in a home of his own.
const home = temporaryHome('mcp-install')
const { jack, json } = commandLine(home)
const inHome = (...parts: string[]) => join(home.env.HOME as string, ...parts)

afterAll(() => home.remove())

test('a client is told, shown first what changes, told only once, and told to forget it', async () => {
  const file = inHome('.cursor', 'mcp.json')
  const shown = await jack(['mcp', 'install', 'cursor', '--dry-run'])
  expect(shown.stdout).toContain('"@jackcloud/cli"')
  expect(existsSync(file)).toBe(false)

  expect(await json(['mcp', 'install', 'cursor'])).toMatchObject({
    exitCode: 0,
    file,
    changed: true,
  })
  const text = readFileSync(file, 'utf8')
  expect(JSON.parse(text)).toEqual({
    mcpServers: { jack: { command: 'npx', args: ['-y', '@jackcloud/cli', 'mcp'] } },
  })
  expect(await json(['mcp', 'install', 'cursor'])).toMatchObject({ exitCode: 0, changed: false })
  expect(readFileSync(file, 'utf8')).toBe(text)

  expect(await json(['mcp', 'uninstall', 'cursor'])).toMatchObject({ exitCode: 0, changed: true })
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ mcpServers: {} })
  expect(await json(['mcp', 'uninstall', 'cursor'])).toMatchObject({ exitCode: 0, changed: false })
}, 60_000)

test('a file that is linked and hidden from others stays so, and no token gets into it', async () => {
  const real = join(home.path, 'dotfiles.json')
  writeFileSync(real, '{\n  // mine\n  "projects": {}\n}\n', { mode: 0o600 })
  symlinkSync(real, inHome('.claude.json'))
  const env = { JACK_TOKEN: 'jkt_secret', JACK_URL: 'http://127.0.0.1:1' }
  expect(
    await json(['mcp', 'install', 'claude-code', '--token', 'jkt_secret'], { env }),
  ).toMatchObject({ exitCode: 0, changed: true })
  const text = readFileSync(real, 'utf8')
  expect(text).toContain('// mine')
  expect(text).not.toContain('jkt_')
  expect(lstatSync(inHome('.claude.json')).isSymbolicLink()).toBe(true)
  expect(statSync(real).mode & 0o777).toBe(0o600)
}, 60_000)

test('a file that is not understood is left as it is, and said', async () => {
  mkdirSync(inHome('.codex'), { recursive: true })
  writeFileSync(inHome('.codex', 'config.toml'), 'model = \n')
  expect(await json(['mcp', 'install', 'codex'])).toMatchObject({
    exitCode: 2,
    error: { code: 'usage', message: expect.stringContaining('config.toml') },
  })
  expect(readFileSync(inHome('.codex', 'config.toml'), 'utf8')).toBe('model = \n')
  expect(await json(['mcp', 'install', 'emacs'])).toMatchObject({
    exitCode: 2,
    error: { hint: expect.stringContaining('claude-desktop') },
  })
}, 60_000)

test('for any other client, it prints what that needs', async () => {
  const { stdout } = await jack(['mcp', 'install', '--toolsets', 'compute', '--ask-above', '5'])
  expect(JSON.parse(stdout)).toEqual({
    mcpServers: {
      jack: {
        command: 'npx',
        args: ['-y', '@jackcloud/cli', 'mcp', '--toolsets', 'compute', '--ask-above', '5'],
      },
    },
  })
  expect(await json(['mcp', 'install', '--toolsets', 'nothing'])).toMatchObject({ exitCode: 2 })
}, 60_000)
