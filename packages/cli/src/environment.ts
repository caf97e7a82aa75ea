import { parseEnv } from 'node:util'
import { JackError } from '@jackcloud/sdk'

/** Variables given as NAME=value. A name alone takes the value that this process has under it. */
export function assignments(
  given: string[],
  env: Record<string, string | undefined> = {},
): Record<string, string> {
  return Object.fromEntries(
    given.map((it) => {
      const at = it.indexOf('=')
      const name = at < 0 ? it : it.slice(0, at)
      const value = at < 0 ? env[name] : it.slice(at + 1)
      if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) {
        throw new JackError('usage', `"${name}" is not a name for a variable.`, {
          hint: 'Letters, digits and underscores, such as API_KEY=value.',
        })
      }
      if (value === undefined) {
        throw new JackError('usage', `${name} has no value.`, {
          hint: `Write ${name}=value, or set it here first.`,
        })
      }
      return [name, value]
    }),
  )
}

/** The variables of an .env file. */
export const parseEnvFile = (text: string): Record<string, string> =>
  assignments(
    Object.entries(parseEnv(text.replace(/^\uFEFF/, ''))).map(
      ([name, value]) => `${name}=${value ?? ''}`,
    ),
  )
