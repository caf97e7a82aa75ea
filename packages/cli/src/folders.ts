import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

type Environment = Record<string, string | undefined>

/** `$XDG_CONFIG_HOME/jack/config.json`, on Windows in `%APPDATA%`. */
export const userConfigFile = (env: Environment = process.env): string =>
  join(base(env, 'XDG_CONFIG_HOME', 'APPDATA', '.config'), 'jack', 'config.json')

/** Where a Jack Cloud of this person keeps its data: `$XDG_DATA_HOME/jack`, for root `/var/lib/jack`. */
export function defaultDataFolder(env: Environment = process.env): string {
  if (process.getuid?.() === 0 && !env.XDG_DATA_HOME) return '/var/lib/jack'
  return join(base(env, 'XDG_DATA_HOME', 'LOCALAPPDATA', '.local/share'), 'jack')
}

function base(env: Environment, xdg: string, windows: string, home: string): string {
  const named = env[xdg]
  if (named && isAbsolute(named)) return named
  const roaming = process.platform === 'win32' ? env[windows] : undefined
  return roaming ?? join(env.HOME || homedir(), home)
}
