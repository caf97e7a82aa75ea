import { homedir } from 'node:os'
import { posix, win32 } from 'node:path'

/** A program that starts MCP servers, and where it keeps which ones. */
export interface McpClient {
  id: string
  name: string
  format: 'json' | 'toml'
  /** Under which key of the file the servers are. */
  key: 'mcpServers' | 'servers' | 'mcp_servers'
  /** It wants to be told that a server speaks over stdio. */
  typed?: boolean
  /** Its file, for everything that this person works on. */
  file(machine: Machine): string
  /** What makes it read the file again. */
  reload: string
}

/** What decides where files are. */
export interface Machine {
  platform: NodeJS.Platform
  home: string
  env: Record<string, string | undefined>
}

export const thisMachine = (): Machine => ({
  platform: process.platform,
  home: process.env.HOME || homedir(),
  env: process.env,
})

export const clients: readonly McpClient[] = [
  {
    id: 'claude-code',
    name: 'Claude Code',
    format: 'json',
    key: 'mcpServers',
    typed: true,
    file: (it) => inside(it, it.env.CLAUDE_CONFIG_DIR || it.home, '.claude.json'),
    reload: 'Start a new session, or type /mcp.',
  },
  {
    id: 'claude-desktop',
    name: 'Claude Desktop',
    format: 'json',
    key: 'mcpServers',
    file: (it) => inside(it, applicationData(it), 'Claude', 'claude_desktop_config.json'),
    reload: 'Quit it and start it again.',
  },
  {
    id: 'cursor',
    name: 'Cursor',
    format: 'json',
    key: 'mcpServers',
    file: (it) => inside(it, it.home, '.cursor', 'mcp.json'),
    reload: 'Start it again.',
  },
  {
    id: 'vscode',
    name: 'VS Code',
    format: 'json',
    key: 'servers',
    typed: true,
    file: (it) => inside(it, applicationData(it), 'Code', 'User', 'mcp.json'),
    reload: 'Run "MCP: List Servers" and start jack.',
  },
  {
    id: 'windsurf',
    name: 'Windsurf',
    format: 'json',
    key: 'mcpServers',
    file: (it) => inside(it, it.home, '.codeium', 'windsurf', 'mcp_config.json'),
    reload: 'Refresh the list of servers in Cascade.',
  },
  {
    id: 'codex',
    name: 'Codex',
    format: 'toml',
    key: 'mcp_servers',
    file: (it) => inside(it, it.env.CODEX_HOME || inside(it, it.home, '.codex'), 'config.toml'),
    reload: 'Start a new session.',
  },
]

/** Where applications of a desktop keep their settings. */
function applicationData(it: Machine): string {
  if (it.platform === 'win32') return it.env.APPDATA || inside(it, it.home, 'AppData', 'Roaming')
  if (it.platform === 'darwin') return inside(it, it.home, 'Library', 'Application Support')
  return it.env.XDG_CONFIG_HOME || inside(it, it.home, '.config')
}

const inside = ({ platform }: Machine, ...parts: string[]): string =>
  (platform === 'win32' ? win32 : posix).join(...parts)

/** How a client starts the server. */
export interface ServerEntry {
  type?: 'stdio'
  command: string
  args: string[]
}

/** Works without an installation and holds no secret: the token or the wallet is found when it runs. */
export function entryOf(typed: boolean, options: string[], { platform }: Machine): ServerEntry {
  const args = ['-y', '@jackcloud/cli', 'mcp', ...options]
  return {
    ...(typed && { type: 'stdio' }),
    // On Windows, npx is a script, which not every client can start by itself.
    ...(platform === 'win32'
      ? { command: 'cmd', args: ['/c', 'npx', ...args] }
      : { command: 'npx', args }),
  }
}

/** Whether an entry is one that we made. */
export const isOurs = (entry: unknown): boolean =>
  Array.isArray((entry as ServerEntry | null)?.args) &&
  (entry as ServerEntry).args.includes('@jackcloud/cli')
