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
  find(target: HostTarget): Found | Promise<Found> {
    if (target.kind !== 'project' && target.kind !== 'deployment') return null
    const key = target.kind === 'project' ? target.label : target.deploymentId
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

  async #search(target: HostTarget, key: string): Promise<Found> {
    const epoch = this.#epoch
    const found =
      target.kind === 'project'
        ? await this.#byLabel(target.label)
        : target.kind === 'deployment'
          ? await this.#byDeployment(target.deploymentId)
          : null
    if (epoch === this.#epoch) {
      this.#known.set(key, { found })
      this.#before.set(key, { found })
    }
    return found
  }

  async #byLabel(label: string): Promise<Found> {
    const project = await projects.findByLabel(this.#db, label)
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
