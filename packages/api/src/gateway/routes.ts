import { LRUCache } from 'lru-cache'
import { indexAssets } from '../Assets.ts'
import type { HostTarget } from '../Host.ts'
import type { Project } from '../Project.ts'
import type { Route } from '../Route.ts'
import { type Db, databaseGone } from '../store/database.ts'
import * as deployments from '../store/deployments.ts'
import * as projects from '../store/projects.ts'

/** What a host leads to: a version, a project that has none, or nothing. */
export type Found = Route | { project: Project; deployment: null } | null

/** Where a request wants to: a host, or a project of an account, by its name. */
export type Target = HostTarget | { kind: 'service'; accountId: string; name: string }

/**
 * Remembers where hosts lead, so that a request costs no query. `forget` is called when a project changes, on every
 * replica (`store/notices.ts`).
 */
export class Routes {
  readonly #db: Db
  readonly #known = new LRUCache<string, { found: Found }>({ max: 20_000, ttl: 60_000 })
  /** What was known before, for the time that the database is away. */
  readonly #before = new LRUCache<string, { found: Found }>({ max: 20_000 })
  readonly #pending = new Map<string, Promise<Found>>()
  /** Rises with every `forget`: what was looked up before must not be remembered after. */
  #epoch = 0

  constructor(db: Db) {
    this.#db = db
  }

  /** At once when it is known, else after a look in the database. */
  find(target: Target): Found | Promise<Found> {
    const key = keyOf(target)
    if (key === undefined) return null
    const known = this.#known.get(key)
    if (known) return known.found
    const pending = this.#pending.get(key)
    if (pending) return pending
    const search = this.#search(target, key)
      .catch((error) => {
        const before = this.#before.get(key)
        if (before && databaseGone(error)) return before.found
        throw error
      })
      .finally(() => {
        if (this.#pending.get(key) === search) this.#pending.delete(key)
      })
    this.#pending.set(key, search)
    return search
  }

  /** @param label null forgets everything */
  forget(label: string | null): void {
    this.#epoch++
    this.#pending.clear()
    if (label === null) {
      this.#known.clear()
      return
    }
    for (const [key, { found }] of this.#known.entries()) {
      if (key === label || found?.project.label === label) this.#known.delete(key)
    }
  }

  async #search(target: Target, key: string): Promise<Found> {
    const epoch = this.#epoch
    const found = await this.#look(target)
    if (epoch === this.#epoch) {
      // A service that is missing has no label by which anybody would say that it is there now.
      const soon = target.kind === 'service' && !found ? { ttl: 1_000 } : {}
      this.#known.set(key, { found }, soon)
      this.#before.set(key, { found })
    }
    return found
  }

  async #look(target: Target): Promise<Found> {
    if (target.kind === 'deployment') return this.#byDeployment(target.deploymentId)
    const project =
      target.kind === 'project'
        ? await projects.findByLabel(this.#db, target.label)
        : target.kind === 'service'
          ? await projects.find(this.#db, target.accountId, target.name)
          : undefined
    if (!project) return null
    if (!project.liveDeploymentId) return { project, deployment: null }
    return this.#route(project, project.liveDeploymentId)
  }

  async #byDeployment(deploymentId: string): Promise<Found> {
    const deployment = await deployments.find(this.#db, deploymentId)
    const project = deployment && (await projects.findById(this.#db, deployment.projectId))
    return project ? this.#route(project, deploymentId) : null
  }

  async #route(project: Project, deploymentId: string): Promise<Found> {
    const deployment = await deployments.find(this.#db, deploymentId)
    if (!deployment) return { project, deployment: null }
    const { assets } = deployment.version
    return { project, deployment, assets: assets && indexAssets(assets) }
  }
}

function keyOf(target: Target): string | undefined {
  if (target.kind === 'project') return target.label
  if (target.kind === 'deployment') return target.deploymentId
  if (target.kind === 'service') return `${target.accountId} ${target.name}`
  return undefined
}
