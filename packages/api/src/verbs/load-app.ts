import { limits } from '@jackcloud/sdk/wire'
import type { Deployment } from '../Deployment.ts'
import type { App } from '../engine/Engine.ts'
import type { Jack } from '../jack.ts'

/**
 * A version with everything that the engine needs to start it: its modules' bytes and its environment in the clear.
 *
 * @param env in place of the project's own, when that is about to change
 */
export async function loadApp(
  jack: Jack,
  project: { projectId: string; accountId: string; envRevision: string },
  deployment: Pick<Deployment, 'deploymentId' | 'version'>,
  env?: Record<string, string>,
): Promise<App> {
  const { version, deploymentId } = deployment
  return {
    projectId: project.projectId,
    accountId: project.accountId,
    deploymentId,
    revision: project.envRevision,
    main: version.main ?? '',
    modules: await Promise.all(
      version.modules.map(async ({ name, type, sha256 }) => ({
        name,
        type,
        bytes: await jack.blobs.read(sha256),
      })),
    ),
    compatibilityDate: version.compatibilityDate,
    compatibilityFlags: version.compatibilityFlags,
    ...variables(version.vars, env ?? (await jack.env.read(jack.db, project.projectId))),
    bindings: version.bindings,
    queueConsumers: version.queueConsumers,
    ...(version.assets?.binding && { assetsBinding: version.assets.binding }),
    ...(version.crons.length > 0 && { scheduled: true }),
    limits: { memoryMb: limits.hosting.memoryMb, requestCpuMs: limits.hosting.requestCpuMs },
    egress: version.egress,
  }
}

/** The project's environment wins over what the version brings along. */
function variables(
  vars: Record<string, unknown>,
  env: Record<string, string>,
): Pick<App, 'env' | 'json'> {
  const named = Object.entries(vars).filter(([name]) => !Object.hasOwn(env, name))
  const texts = named.filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return {
    env: { ...Object.fromEntries(texts), ...env },
    json: Object.fromEntries(named.filter(([, value]) => typeof value !== 'string')),
  }
}
