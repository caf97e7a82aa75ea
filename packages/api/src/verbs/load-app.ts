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
  project: { projectId: string; envRevision: string },
  deployment: Pick<Deployment, 'deploymentId' | 'version'>,
  env?: Record<string, string>,
): Promise<App> {
  const { version, deploymentId } = deployment
  return {
    projectId: project.projectId,
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
    env: { ...version.vars, ...(env ?? (await jack.env.read(jack.db, project.projectId))) },
    bindings: version.bindings,
    queueConsumers: version.queueConsumers,
    ...(version.assets?.binding && { assetsBinding: version.assets.binding }),
    ...(version.crons.length > 0 && { scheduled: true }),
    limits: { memoryMb: limits.hosting.memoryMb, requestCpuMs: limits.hosting.requestCpuMs },
    egress: version.egress,
  }
}
