import { limits } from '@jackcloud/sdk/wire'
import { requireCron } from '../Cron.ts'
import { blobsOf, type Version } from '../Deployment.ts'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import * as projects from '../store/projects.ts'

/**
 * Throws what is wrong with a version before it costs anything: an entry or a file that is not there, a cron that cannot
 * be, a flag that is not allowed, or more bytes than a deployment may have.
 */
export async function checkVersion(jack: Jack, version: Version): Promise<void> {
  if (version.main === null && !version.assets?.files.length) {
    throw new JackError('missing_files', 'There is neither code nor a static file to deploy.')
  }
  if (version.main !== null && version.modules[0]?.name !== version.main) {
    throw new JackError('invalid_request', 'The entry must be the first of the modules.')
  }
  if (version.main === null && version.crons.length > 0) {
    throw new JackError('invalid_request', 'Static files have no handler that crons could call.')
  }
  for (const expression of version.crons) requireCron(expression, jack.now())
  const unsafe = version.compatibilityFlags.find((flag) => /^(experimental$|unsafe_)/.test(flag))
  if (unsafe) {
    throw new JackError(
      'invalid_request',
      `The compatibility flag "${unsafe}" is not allowed here.`,
      { hint: 'Leave it out: it opens the runtime further than programs of others may reach.' },
    )
  }
  if (version.modules.reduce((sum, it) => sum + it.sizeBytes, 0) > limits.bundleBytes) {
    throw new JackError('code_too_large', `The bundle is larger than ${limits.bundleBytes} bytes.`)
  }
  const assetBytes = (version.assets?.files ?? []).reduce((sum, it) => sum + it.size_bytes, 0)
  if (assetBytes > limits.assetBytes) {
    throw new JackError(
      'code_too_large',
      `The static files are larger than ${limits.assetBytes} bytes together.`,
    )
  }
  await requireBlobs(jack, version)
}

/** Throws when a blob that a version needs is not stored; what is stored is not collected soon. */
export async function requireBlobs(jack: Jack, version: Version): Promise<void> {
  const needed = blobsOf(version)
  const stored = await Promise.all(needed.map(({ sha256 }) => jack.blobs.keep(sha256)))
  if (version.sourceMap) await jack.blobs.keep(version.sourceMap)
  for (const [i, { sha256, sizeBytes }] of needed.entries()) {
    if (stored[i] === undefined) {
      throw new JackError('invalid_request', `The file with the sha256 ${sha256} was not uploaded.`)
    }
    // It may be there from before, and every limit counts what the manifest says.
    if (stored[i] !== sizeBytes) {
      throw new JackError(
        'invalid_request',
        `The file with the sha256 ${sha256} has ${stored[i]} bytes, not ${sizeBytes}.`,
      )
    }
  }
}

/** What to know about service bindings to projects that do not exist yet. */
export async function missingServices(
  jack: Jack,
  payer: Payer,
  name: string,
  { bindings }: Version,
): Promise<string[]> {
  const warnings: string[] = []
  for (const it of bindings) {
    if (it.type !== 'service' || it.service === name) continue
    if (await projects.find(jack.db, payer.accountId, it.service)) continue
    warnings.push(
      `The service binding ${it.name} leads to a project "${it.service}" that does not exist: until it does, requests get a 404.`,
    )
  }
  return warnings
}
