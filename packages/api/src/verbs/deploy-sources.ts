import type { Bundle } from '@jackcloud/bundler'
import {
  type DeployRequest,
  type DeployResponse,
  limits,
  Manifest,
  manifestOf,
} from '@jackcloud/sdk/wire'
import { parse } from '../Input.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import type { Claim } from '../store/idempotency.ts'
import { admitDeploy } from './admit-deploy.ts'
import { bundleDeploy } from './bundle-deploy.ts'
import { deploy } from './deploy.ts'
import { stagedWith } from './stage-files.ts'

/** Bundles source files here, then deploys them as an uploaded bundle would be. */
export async function deploySources(
  jack: Jack,
  payer: Payer,
  request: DeployRequest,
  claim: Claim,
): Promise<DeployResponse> {
  const program = await bundleDeploy(jack, await stagedWith(jack, payer, request))
  const modules = program.bundle?.modules ?? []
  const digests = modules.map(({ bytes }) => ({
    sha256: jack.sha256(bytes),
    sizeBytes: bytes.length,
  }))
  const sourceMap = program.bundle && sourceMapOf(program.bundle)
  const map = sourceMap && jack.sha256(sourceMap)

  const { files: _, entry: __, staged: ___, name, ...settings } = request
  const described = { ...manifestOf(program, digests, map), ...settings }
  const manifest = parse(Manifest, described, 'configuration')
  const project = name ?? program.name ?? `app-${claim.workId.slice(-8)}`
  await admitDeploy(jack, payer, project, manifest)

  for (const [i, { bytes }] of modules.entries()) {
    await jack.blobs.put((digests[i] as { sha256: string }).sha256, bytes, limits.bundleBytes)
  }
  if (sourceMap && map) await jack.blobs.put(map, sourceMap, 4 * limits.bundleBytes)
  for (const file of program.assets?.files ?? []) {
    await jack.blobs.put(file.sha256, await file.bytes(), limits.assetBytes)
  }

  return deploy(jack, payer, {
    project,
    manifest,
    warnings: program.warnings.map((it) => it.text),
    claim,
  })
}

const sourceMapOf = (bundle: Bundle): Buffer | undefined =>
  bundle.sourceMap ? Buffer.from(bundle.sourceMap) : undefined
