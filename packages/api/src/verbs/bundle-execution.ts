import { type Bundle, bundle } from '@jackcloud/bundler'
import type { ExecuteRequest } from '@jackcloud/sdk/wire'
import { LRUCache } from 'lru-cache'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import { bundling, filesOf } from './bundle-deploy.ts'

/** Bundles of programs that were run lately: an agent that runs one program over many inputs bundles it once. */
const recent = new LRUCache<string, Bundle>({
  maxSize: 64 * 1_048_576,
  sizeCalculation: (it) => it.sizeBytes + 1_000,
})

/** The module to execute. Throws `missing_files`, `code_too_large`, `bundle_failed` or `invalid_request`. */
export async function bundleExecution(
  jack: Jack,
  { code, files, entry }: Pick<ExecuteRequest, 'code' | 'files' | 'entry'>,
): Promise<Bundle> {
  if ((code === undefined) === (files === undefined)) {
    throw new JackError(
      code === undefined ? 'missing_files' : 'invalid_request',
      'Send the program as `code` or as `files`.',
      {
        hint: 'For example {"code": "export const run = (input) => input.a + 1", "input": {"a": 1}}.',
      },
    )
  }
  const sources = code === undefined ? filesOf(files ?? {}) : { 'main.ts': code }
  const key = jack.sha256(JSON.stringify([code ?? null, files ?? null, entry ?? null]))
  const known = recent.get(key)
  if (known) return known
  const made = await bundling(() =>
    bundle(sources, {
      ...(entry !== undefined && { entry }),
      keepPlain: true,
      cacheDir: packageCache(jack),
    }),
  )
  recent.set(key, made)
  return made
}

const packageCache = (jack: Jack) => `${jack.config.dataDir}/packages`
