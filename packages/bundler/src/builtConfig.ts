import { BundleError, type Diagnostic } from './BundleError.ts'
import { joinPath } from './packageExports.ts'
import type { Source } from './Source.ts'
import { jsonc } from './Table.ts'

const pointer = '.wrangler/deploy/config.json'

/**
 * The path of the wrangler file that a build tool wrote beside what it built, such as `dist/my_app/wrangler.json`.
 * It takes the place of the author's own, and its paths begin in its folder. Undefined when nothing was built that way.
 *
 * Throws `missing_files` when what was built is gone again.
 */
export async function findBuiltConfig(
  source: Source,
  warnings: Diagnostic[],
): Promise<string | undefined> {
  const text = await source.text(pointer)
  if (text === undefined) return undefined
  const { configPath, auxiliaryWorkers } = jsonc(pointer, text) as Record<string, unknown>
  if (typeof configPath !== 'string') return undefined
  const file = joinPath('.wrangler/deploy', configPath)
  if (file === undefined) {
    throw new BundleError(
      'invalid_request',
      `${pointer} leads out of the folder, to ${configPath}.`,
      'Deploy the folder that holds both.',
    )
  }
  if (!(await source.has(file))) {
    throw new BundleError(
      'missing_files',
      `${file}, which the last build wrote, is not there.`,
      'Build the project again, for example with npm run build.',
    )
  }
  if (Array.isArray(auxiliaryWorkers) && auxiliaryWorkers.length > 0) {
    warnings.push({
      file: pointer,
      text: 'Only the first of the Workers that were built is deployed.',
      hint: 'Deploy the folder of each other one under a name of its own.',
    })
  }
  return file
}
