import { mkdirSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { JackError } from '@jackcloud/sdk'
import Conf from 'conf'

/** A JSON file of this person's, written whole or not at all, readable by its owner alone. */
export function openOwnFile<T extends object>(file: string, hint: string): Conf<T> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  try {
    return new Conf<T>({
      cwd: dirname(file),
      configName: basename(file, '.json'),
      configFileMode: 0o600,
      // URLs are names in it, and have dots.
      accessPropertiesByDotNotation: false,
    })
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new JackError('usage', `${file} is not valid JSON.`, { hint })
  }
}
