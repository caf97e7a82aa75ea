import { mkdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import Conf from 'conf'

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

function open(file: string): Conf<UserConfig> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  try {
    return new Conf<UserConfig>({
      cwd: dirname(file),
      configName: basename(file, '.json'),
      configFileMode: 0o600,
      // Tokens are kept by URL, and URLs have dots.
      accessPropertiesByDotNotation: false,
    })
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new JackError('usage', `${file} is not valid JSON.`, {
      hint: 'Mend it, or delete it and sign in again with `jack login`.',
    })
  }
}
