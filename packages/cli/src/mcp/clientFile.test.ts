import fc from 'fast-check'
import { parse as parseJsonc } from 'jsonc-parser'
import { parse as parseToml } from 'smol-toml'
import { expect, test } from 'vitest'
import { changed } from './clientFile.ts'
import { clients, entryOf } from './clients.ts'

const linux = { platform: 'linux' as const, home: '/home/ada', env: {} }
const entry = entryOf(false, [], linux)
const jsonClient = { format: 'json', key: 'mcpServers' } as const
const codex = { format: 'toml', key: 'mcp_servers' } as const

test('a file that is not there yet holds our server and nothing else', () => {
  expect(JSON.parse(changed('', jsonClient, entry))).toEqual({ mcpServers: { jack: entry } })
  expect(parseToml(changed('', codex, entry))).toEqual({ mcp_servers: { jack: entry } })
})

test('comments, order, indentation and line ends of others stay', () => {
  const text = `{
\t// my servers
\t"theme": "dark", /* really */
\t"mcpServers": {
\t\t"other": { "command": "x", "args": [], }, // keep
\t},
}
`.replaceAll('\n', '\r\n')
  const added = changed(text, jsonClient, entry)
  expect(added).toContain('\t// my servers\r\n\t"theme": "dark", /* really */')
  expect(added).toContain('// keep')
  expect(parseJsonc(added)).toEqual({
    theme: 'dark',
    mcpServers: { other: { command: 'x', args: [] }, jack: entry },
  })
  expect(added.replaceAll('\r\n', '')).not.toContain('\n')
  expect(parseJsonc(changed(added, jsonClient, null))).toEqual(parseJsonc(text))

  const toml = `# mine\nmodel = "o"\n\n[mcp_servers.other]\ncommand = "x" # keep\n\n# about tui\n[tui]\nnotifications = true\n`
  const appended = changed(toml, codex, entry)
  expect(appended.startsWith(toml)).toBe(true)
  expect(changed(appended, codex, null).trimEnd()).toBe(toml.trimEnd())
})

test('our tables go whole, and what is said about the next one stays', () => {
  const text = `[mcp_servers.jack]\ncommand = "npx"\nargs = ["-y", "@jackcloud/cli", "mcp"]\n[mcp_servers.jack.env]\nA = "1"\n\n# about tui\n[tui]\nx = 1\n`
  expect(changed(text, codex, null)).toBe('\n# about tui\n[tui]\nx = 1\n')
})

test('what somebody added to our server stays when it is installed again', () => {
  const text = JSON.stringify({ mcpServers: { jack: { ...entry, env: { JACK_URL: 'http://x' } } } })
  const again = changed(text, jsonClient, entryOf(false, ['--toolsets', 'compute'], linux))
  expect(JSON.parse(again).mcpServers.jack).toMatchObject({
    env: { JACK_URL: 'http://x' },
    args: ['-y', '@jackcloud/cli', 'mcp', '--toolsets', 'compute'],
  })
  expect(changed(text, jsonClient, entry)).toBe(text)
})

test('a server of our name that is not ours, and a file that is not understood, are left alone', () => {
  const theirs = '{"mcpServers":{"jack":{"command":"their-jack"}}}'
  for (const wanted of [entry, null])
    expect(() => changed(theirs, jsonClient, wanted)).toThrow(/not ours/)
  for (const text of ['{"mcpServers": {', '[]', 'null', '{"mcpServers": []}', '{"a": 1 "b": 2}'])
    expect(() => changed(text, jsonClient, entry), text).toThrow(/not understood/)
  for (const text of ['mcp_servers = { other = { command = "x" } }\n', 'a = \n', 'mcp_servers = 1'])
    expect(() => changed(text, codex, entry), text).toThrow(/not understood/)
})

test('whatever a file holds, it holds afterwards, and again without us', () => {
  const name = fc.string({ minLength: 1 }).filter((it) => it !== '__proto__')
  const settings = fc.dictionary(name, fc.jsonValue({ maxDepth: 2 }), { noNullPrototype: true })
  const servers = fc.dictionary(
    name.filter((it) => it !== 'jack'),
    fc.record({ command: fc.string(), args: fc.array(fc.string()) }),
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(settings, servers, fc.constantFrom(0, 2, '\t'), (others, mcpServers, space) => {
      const before = JSON.parse(JSON.stringify({ ...others, mcpServers }))
      const added = changed(JSON.stringify(before, null, space), jsonClient, entry)
      expect(JSON.parse(added)).toEqual({
        ...before,
        mcpServers: { ...before.mcpServers, jack: entry },
      })
      expect(JSON.parse(changed(added, jsonClient, null))).toEqual(before)
    }),
  )
})

test('every client has its file where it looks for it', () => {
  const files = (platform: NodeJS.Platform, home: string, env = {}) =>
    Object.fromEntries(clients.map((it) => [it.id, it.file({ platform, home, env })]))
  expect(files('linux', '/home/ada')).toEqual({
    'claude-code': '/home/ada/.claude.json',
    'claude-desktop': '/home/ada/.config/Claude/claude_desktop_config.json',
    cursor: '/home/ada/.cursor/mcp.json',
    vscode: '/home/ada/.config/Code/User/mcp.json',
    windsurf: '/home/ada/.codeium/windsurf/mcp_config.json',
    codex: '/home/ada/.codex/config.toml',
  })
  expect(files('darwin', '/Users/ada')).toMatchObject({
    'claude-desktop': '/Users/ada/Library/Application Support/Claude/claude_desktop_config.json',
    vscode: '/Users/ada/Library/Application Support/Code/User/mcp.json',
  })
  const windows = files('win32', 'C:\\Users\\ada', { APPDATA: 'C:\\Users\\ada\\AppData\\Roaming' })
  expect(windows).toMatchObject({
    'claude-desktop': 'C:\\Users\\ada\\AppData\\Roaming\\Claude\\claude_desktop_config.json',
    cursor: 'C:\\Users\\ada\\.cursor\\mcp.json',
  })
  expect(files('linux', '/home/ada', { CODEX_HOME: '/srv/codex' }).codex).toBe(
    '/srv/codex/config.toml',
  )
})

test('on Windows it is started by the shell, which finds npx', () => {
  expect(entryOf(true, [], { ...linux, platform: 'win32' })).toEqual({
    type: 'stdio',
    command: 'cmd',
    args: ['/c', 'npx', '-y', '@jackcloud/cli', 'mcp'],
  })
})
