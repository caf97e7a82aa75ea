import { fromUsd, operations } from '@jackcloud/sdk/wire'
import type { Hono } from 'hono'
import { JackError } from '../Errors.ts'
import type { Jack } from '../jack.ts'
import type { Project } from '../Project.ts'
import * as deployments from '../store/deployments.ts'
import * as projects from '../store/projects.ts'
import { changeSettings } from '../verbs/change-settings.ts'
import { createProject } from '../verbs/create-project.ts'
import { deleteProject } from '../verbs/delete-project.ts'
import { findProject } from '../verbs/find-project.ts'
import { promote, rollback } from '../verbs/promote.ts'
import { renew } from '../verbs/renew.ts'
import { resumeProject } from '../verbs/resume-project.ts'
import { updateEnv } from '../verbs/update-env.ts'
import type { Door } from './Door.ts'
import { pageOf, presentDeployment, presentProject } from './present.ts'
import { route } from './route.ts'

export function projectsDoor(app: Hono<Door>, jack: Jack): void {
  route(app, jack, operations.listProjects, async ({ payer, query }) => {
    const { limit, cursor: before } = query
    const found = await projects.list(jack.db, payer.accountId, {
      limit: limit + 1,
      before,
      only: payer.projectId,
    })
    const { items, next_cursor } = pageOf(found, limit, (it) => it.projectId)
    return { projects: items.map((it) => presentProject(jack, it)), next_cursor }
  })

  route(app, jack, operations.createProject, async ({ payer, body }) => {
    const project = await createProject(jack, payer, {
      name: body.name,
      budgetMicroUsd: microUsd(body.budget_usd) ?? null,
      dailyBudgetMicroUsd: microUsd(body.daily_budget_usd) ?? null,
      ttlHours: body.ttl_hours ?? null,
    })
    return presentProject(jack, project)
  })

  route(app, jack, operations.getProject, async ({ payer, params }) => {
    const project = await findProject(jack, payer, params.project)
    const { liveDeploymentId } = project
    const live = liveDeploymentId && (await deployments.find(jack.db, liveDeploymentId))
    return {
      ...presentProject(jack, project),
      bindings: live ? live.version.bindings : [],
      egress: live ? live.version.egress : null,
    }
  })

  route(app, jack, operations.updateProject, async ({ payer, params, body }) => {
    const project = await findProject(jack, payer, params.project)
    const { ttl_hours } = body
    const budget = microUsd(body.budget_usd)
    const dailyBudget = microUsd(body.daily_budget_usd)
    const changed = await changeSettings(jack, project, {
      ...(budget !== undefined && { budgetMicroUsd: budget }),
      ...(dailyBudget !== undefined && { dailyBudgetMicroUsd: dailyBudget }),
    })
    return presentProject(
      jack,
      ttl_hours === undefined ? changed : await renew(jack, changed, ttl_hours),
    )
  })

  route(app, jack, operations.renewProject, async ({ payer, params, body }) => {
    const project = await findProject(jack, payer, params.project)
    return presentProject(jack, await renew(jack, project, body.ttl_hours))
  })

  route(app, jack, operations.resumeProject, async ({ payer, params }) => {
    const project = await findProject(jack, payer, params.project)
    return presentProject(jack, await resumeProject(jack, project))
  })

  route(app, jack, operations.deleteProject, async ({ payer, params }) => {
    const project = await findProject(jack, payer, params.project)
    await deleteProject(jack, project)
    return { deleted: true as const, id: project.projectId }
  })

  route(app, jack, operations.listDeployments, async ({ payer, params, query }) => {
    const project = await findProject(jack, payer, params.project)
    const found = await deployments.list(jack.db, project.projectId, {
      limit: query.limit + 1,
      before: query.cursor,
    })
    const { items, next_cursor } = pageOf(found, query.limit, (it) => it.deploymentId)
    return { deployments: items.map((it) => presentDeployment(jack, project, it)), next_cursor }
  })

  route(app, jack, operations.promote, async ({ payer, params }) => {
    const project = await findProject(jack, payer, params.project)
    return live(project, await promote(jack, project, params.deployment))
  })

  route(app, jack, operations.rollback, async ({ payer, params, body }) => {
    const project = await findProject(jack, payer, params.project)
    return live(project, await rollback(jack, project, body.deployment_id))
  })

  route(app, jack, operations.getEnv, async ({ payer, params }) =>
    env(await findProject(jack, payer, params.project)),
  )

  route(app, jack, operations.updateEnv, async ({ payer, params, body }) => {
    const project = await findProject(jack, payer, params.project)
    await updateEnv(jack, project, payer.tokenId, body.env)
    return env(project)
  })

  route(app, jack, operations.getEnvHistory, async ({ payer, params, query }) => {
    const { projectId } = await findProject(jack, payer, params.project)
    const { limit, cursor } = query
    const found = await jack.env.history(jack.db, projectId, {
      limit: limit + 1,
      before: cursor === undefined ? undefined : numbered(cursor),
    })
    const { items, next_cursor } = pageOf(found, limit, (it) => String(it.changeId))
    const changes = items.map(({ name, action, at, tokenId }) => ({
      name,
      action,
      at: at.toISOString(),
      token_id: tokenId,
    }))
    return { changes, next_cursor }
  })

  const live = (before: Project, after: Project) => ({
    project_id: after.projectId,
    url: jack.urls.project(after.label),
    deployment_id: after.liveDeploymentId as string,
    previous_deployment_id: before.liveDeploymentId,
  })

  const env = async ({ projectId }: Project) => ({
    env: (await jack.env.names(jack.db, projectId)).map((it) => ({
      name: it.name,
      updated_at: it.updatedAt.toISOString(),
    })),
  })
}

function numbered(cursor: string): bigint {
  if (/^\d{1,18}$/.test(cursor)) return BigInt(cursor)
  throw new JackError('invalid_request', 'This is not a cursor of this list.', {
    hint: 'Send the `next_cursor` of the page before.',
  })
}

const microUsd = (usd: string | null | undefined) =>
  usd ? fromUsd(usd) : (usd as null | undefined)
