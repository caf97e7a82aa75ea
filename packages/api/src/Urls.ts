import { deploymentLabel } from './Host.ts'

/** Where the outside finds things. */
export interface Urls {
  /** Base of the API, without a slash at the end. */
  api: string
  /** "localhost:8787": what stands after the label in a live URL. */
  authority: string
  project(label: string): string
  deployment(deploymentId: string): string
}

/**
 * @param scheme "http:" or "https:"
 * @param authority domain, with port unless it is the scheme's own
 */
export function makeUrls(api: string, scheme: string, authority: string): Urls {
  const at = (label: string) => `${scheme}//${label}.${authority}`
  return { api, authority, project: at, deployment: (id) => at(deploymentLabel(id)) }
}
