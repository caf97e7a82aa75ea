/**
 * Hosts of live URLs. One DNS label before the domain says what is asked for:
 * `{slug}-{project}` is what is live there, `dep-{…}` is one version.
 */
export type HostTarget =
  | { kind: 'api' }
  | { kind: 'project'; label: string }
  | { kind: 'deployment'; deploymentId: string }
  | { kind: 'unknown' }

/**
 * What a Host header (or `:authority`) asks for. Compares without case and port; a forged or odd value is `unknown`.
 *
 * @param domain without port, such as "localhost" or "jack.example"
 */
export function parseHost(host: string | undefined, domain: string): HostTarget {
  const name = hostName(host)
  if (name === undefined) return { kind: 'unknown' }
  if (name === domain || /^[\d.]+$/.test(name) || name.startsWith('[')) return { kind: 'api' }
  if (!name.endsWith(`.${domain}`)) return { kind: 'unknown' }
  const label = name.slice(0, -domain.length - 1)
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label)) return { kind: 'unknown' }
  if (label === 'api') return { kind: 'api' }
  if (/^dep-[a-z0-9]{20,40}$/.test(label)) {
    return { kind: 'deployment', deploymentId: label.replace('dep-', 'dep_') }
  }
  return { kind: 'project', label }
}

/** The label of a project's live URL. Unique over all accounts. */
export const projectLabel = (slug: string, project: string): string => `${slug}-${project}`

export const deploymentLabel = (deploymentId: string): string => deploymentId.replace('_', '-')

function hostName(host: string | undefined): string | undefined {
  if (!host || host.length > 300) return undefined
  return /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/
    .exec(host.toLowerCase())?.[1]
    ?.replace(/\.$/, '')
}
