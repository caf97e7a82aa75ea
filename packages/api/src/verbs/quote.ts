import {
  type DeployRequest,
  defaultCompatibilityDate,
  type ExecuteRequest,
  Manifest,
  manifestOf,
  prices,
  type Quote,
  type QuoteManifest,
  toUsd,
} from '@jackcloud/sdk/wire'
import type { z } from 'zod'
import { canonicalVersion, sizeOf, versionOf } from '../Deployment.ts'
import { parse } from '../Input.ts'
import type { Jack } from '../jack.ts'
import type { Payer } from '../Payer.ts'
import * as deployments from '../store/deployments.ts'
import { balanceOf } from '../store/ledger.ts'
import * as projects from '../store/projects.ts'
import { bundleDeploy } from './bundle-deploy.ts'
import { bundleExecution } from './bundle-execution.ts'
import { runwayOf } from './runway.ts'
import { stagedWith } from './stage-files.ts'

/** What an execution or a deploy would cost. Keeps nothing and charges nothing. */
export async function quote(
  jack: Jack,
  payer: Payer | null,
  request: ExecuteRequest | DeployRequest | z.output<typeof QuoteManifest>,
): Promise<z.input<typeof Quote>> {
  const it =
    'manifest' in request
      ? await quoteManifest(jack, payer, request.manifest, request.name, [])
      : isExecution(request)
        ? await quoteExecution(jack, request)
        : await quoteDeploy(jack, payer, request)
  const balance = payer && (await balanceOf(jack.db, payer.accountId)).availableMicroUsd
  return {
    ...it,
    balance_usd: balance === null ? null : toUsd(balance),
    runway_hours: payer && (await runwayOf(jack, payer.accountId)).hours,
  }
}

const isExecution = (request: object): request is ExecuteRequest =>
  'code' in request || 'input' in request || 'timeout_ms' in request

async function quoteExecution(jack: Jack, request: ExecuteRequest) {
  const bundle = await bundleExecution(jack, request)
  return {
    operation: 'execute' as const,
    price_usd: toUsd(prices.execution),
    digest: bundle.digest,
    size_bytes: bundle.sizeBytes,
    deduplicated: false,
    warnings: bundle.warnings.map((warning) => warning.text),
  }
}

async function quoteDeploy(jack: Jack, payer: Payer | null, request: DeployRequest) {
  const whole = payer ? await stagedWith(jack, payer, request) : request
  const program = await bundleDeploy(jack, whole)
  const digests = (program.bundle?.modules ?? []).map(({ bytes }) => ({
    sha256: jack.sha256(bytes),
    sizeBytes: bytes.length,
  }))
  const manifest = parse(Manifest, manifestOf(program, digests), 'configuration')
  const warnings = program.warnings.map((warning) => warning.text)
  return quoteManifest(jack, payer, manifest, request.name ?? program.name, warnings)
}

async function quoteManifest(
  jack: Jack,
  payer: Payer | null,
  manifest: Manifest,
  name: string | undefined,
  warnings: string[],
) {
  const version = versionOf(manifest, defaultCompatibilityDate)
  const digest = jack.sha256(canonicalVersion(version))
  const project = payer && name ? await projects.find(jack.db, payer.accountId, name) : undefined
  const live =
    project?.liveDeploymentId && (await deployments.find(jack.db, project.liveDeploymentId))
  const deduplicated = Boolean(live && live.digest === digest && project.status === 'active')
  return {
    operation: 'deploy' as const,
    price_usd: toUsd(deduplicated ? 0n : prices.deploy),
    digest,
    size_bytes: sizeOf(version),
    deduplicated,
    warnings,
  }
}
