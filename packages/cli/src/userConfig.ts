import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { JackError } from '@jackcloud/sdk'

/** What this person keeps between commands. Tokens belong to the URL that gave them, and go nowhere else. */
export interface UserConfig {
  url?: string
  tokens: Record<string, string>
}

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

export function readUserConfig(file: string): UserConfig {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { tokens: {} }
    throw error
  }
  try {
    const { url, tokens } = JSON.parse(text)
    return {
      ...(typeof url === 'string' && { url }),
      tokens: Object.fromEntries(
        Object.entries(tokens ?? {}).filter(
          (entry): entry is [string, string] => typeof entry[1] === 'string',
        ),
      ),
    }
  } catch {
    throw new JackError('usage', `${file} is not valid JSON.`, {
      hint: 'Mend it, or delete it and sign in again with `jack login`.',
    })
  }
}

/** Changes the file in one step, readable by its owner alone. */
export function changeUserConfig(file: string, change: (config: UserConfig) => void): void {
  const config = readUserConfig(file)
  change(config)
  writePrivately(file, `${JSON.stringify(config, null, 2)}\n`)
}

/** Writes a file whole or not at all, for its owner's eyes only. */
export function writePrivately(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const draft = `${file}.${process.pid}`
  try {
    writeFileSync(draft, text, { mode: 0o600 })
    chmodSync(draft, 0o600)
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}
