import { openOwnFile } from './ownFile.ts'

/** What this person keeps between commands. Tokens belong to the URL that gave them, and go nowhere else. */
export interface UserConfig {
  url?: string
  tokens: Record<string, string>
  /** The most that the wallet spends without asking, in USD. */
  limits?: Limits
}

export interface Limits {
  per_call_usd?: string
  per_day_usd?: string
  total_usd?: string
}

export function readUserConfig(file: string): UserConfig {
  const { url, tokens, limits, ...rest } = open(file).store as {
    url?: unknown
    tokens?: object
    limits?: Limits
  }
  return {
    ...rest,
    ...(typeof url === 'string' && { url }),
    ...(limits && { limits }),
    tokens: Object.fromEntries(
      Object.entries(tokens ?? {}).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string',
      ),
    ),
  }
}

/** Changes the file in one step, readable by its owner alone. */
export function changeUserConfig(file: string, change: (config: UserConfig) => void): void {
  const config = readUserConfig(file)
  change(config)
  open(file).store = config
}

const open = (file: string) =>
  openOwnFile<UserConfig>(file, 'Mend it, or delete it and sign in again with `jack login`.')
