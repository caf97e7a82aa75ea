import type { AssetIndex } from './Assets.ts'
import type { Deployment } from './Deployment.ts'
import type { Project } from './Project.ts'

/** What the gateway must know to answer a host, found once and remembered until the project changes. */
export interface Route {
  project: Project
  deployment: Deployment
  assets: AssetIndex | null
}
