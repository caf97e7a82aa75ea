import { toUsd } from '@jackcloud/sdk/wire'
import { capsuleOf } from '../Capsule.ts'
import type { Version } from '../Deployment.ts'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import type { Archive } from '../store/archive.ts'
import * as deployments from '../store/deployments.ts'
import * as usage from '../store/usage.ts'
import { addUsage, costNanoUsd, noUsage, type Usage } from '../Usage.ts'

/**
 * Writes a project into an archive, in a folder of its name: what is live, ready to be deployed again; what it keeps;
 * and `export.json`, which says the rest. Names of environment variables are in it, and never a value.
 */
export async function exportProject(jack: Jack, project: Project, archive: Archive): Promise<void> {
  const live = project.liveDeploymentId
    ? await deployments.find(jack.db, project.liveDeploymentId)
    : undefined
  const leftOut = live ? await addVersion(jack, archive, project, live.version) : []
  leftOut.push(...(await addData(jack, archive, project)))
  const about = { ...(await describe(jack, project)), left_out: leftOut }
  await archive.add(`${project.name}/export.json`, `${JSON.stringify(about, null, 2)}\n`)
  await archive.finish()
}

async function addVersion(
  jack: Jack,
  archive: Archive,
  project: Project,
  version: Version,
): Promise<string[]> {
  const { files, leftOut } = capsuleOf(project, version)
  for (const file of files) {
    const path = `${project.name}/${file.path}`
    if ('text' in file) await archive.add(path, file.text)
    else {
      const sizeBytes = await jack.blobs.keep(file.sha256)
      // A source map may never have been sent.
      if (sizeBytes === undefined && file.sizeBytes === undefined) leftOut.push(file.path)
      else await archive.add(path, await jack.blobs.stream(file.sha256), sizeBytes ?? 0)
    }
  }
  return leftOut
}

/** Databases as SQL, and everything as the files that it is kept in. */
async function addData(jack: Jack, archive: Archive, project: Project): Promise<string[]> {
  const { data } = jack.engine
  const leftOut: string[] = []
  const { name, projectId } = project
  if (!(await data.list()).includes(projectId)) return leftOut
  await archive.addFolder(`${name}/data/files`, (to) => data.copy(projectId, to))
  for (const database of await data.databases(projectId)) {
    try {
      await archive.add(`${name}/data/${database}.sql`, await data.dump(projectId, database))
    } catch (error) {
      if (!(error instanceof JackError)) throw error
      leftOut.push(`data/${database}.sql: ${error.message}`)
    }
  }
  return leftOut
}

async function describe(jack: Jack, project: Project): Promise<object> {
  const versions = await deployments.list(jack.db, project.projectId, { limit: 1_000 })
  const used = await usage.read(jack.db, project.projectId, 'day', new Date(0))
  const total = used.reduce<Usage>(addUsage, noUsage)
  const env = await jack.env.names(jack.db, project.projectId)
  return {
    format: 1,
    exported_at: jack.now().toISOString(),
    project: {
      project_id: project.projectId,
      name: project.name,
      url: jack.urls.project(project.label),
      status: project.status,
      created_at: project.createdAt.toISOString(),
      expires_at: project.expiresAt?.toISOString() ?? null,
      live_deployment_id: project.liveDeploymentId,
    },
    deployments: versions.map((it) => ({
      deployment_id: it.deploymentId,
      deployment_url: jack.urls.deployment(it.deploymentId),
      digest: it.digest,
      created_at: it.createdAt.toISOString(),
    })),
    /** Set these again: their values are in no export. */
    env: env.map((it) => it.name),
    usage: {
      requests: total.requests,
      errors: total.errors,
      cpu_ms: total.cpuUs / 1_000,
      cost_usd: toUsd(BigInt(costNanoUsd(total)) / 1_000n),
    },
  }
}
