/** Where a request wants to go. */
export interface Target {
  secure: boolean
  /** In the form in which URLs are compared: lower case, without brackets, addresses in their usual form. */
  host: string
  port: number
  /** What goes into the `Host` header. */
  authority: string
  path: string
}

/** The target of a request to a proxy: a whole http or https URL without credentials, and nothing else. */
export function targetOf(text = ''): Target | undefined {
  // What a URL parser repairs is a sign that somebody else will read it otherwise.
  if (!/^https?:\/\/[!-[\]-~]+$/i.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.username || url.password) return undefined
  const secure = url.protocol === 'https:'
  const host = bare(url.hostname)
  if (host === '') return undefined
  return {
    secure,
    host,
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    authority: url.host,
    path: url.pathname + url.search,
  }
}

/**
 * Whether an app may go there by its list: null for everywhere. "*.example.com" stands for every name below
 * example.com, and not for itself. Without a port, the usual ones are meant.
 */
export function allowList(
  hosts: readonly string[] | null,
): (target: Pick<Target, 'host' | 'port'>) => boolean {
  if (hosts === null) return () => true
  const patterns = hosts.flatMap(parse)
  return ({ host, port }) =>
    patterns.some(
      (it) =>
        (it.port === undefined ? port === 80 || port === 443 : port === it.port) &&
        (it.below ? host.endsWith(`.${it.host}`) : host === it.host),
    )
}

function parse(pattern: string): { host: string; below: boolean; port: number | undefined }[] {
  const [, wild, host, port] = /^(\*\.)?(\[[^\]]*\]|[^:[\]]+)(?::(\d+))?$/.exec(pattern) ?? []
  if (host === undefined || !URL.canParse(`http://${host}/`)) return []
  return [
    {
      host: bare(new URL(`http://${host}/`).hostname),
      below: wild !== undefined,
      port: port === undefined ? undefined : Number(port),
    },
  ]
}

/** A name that ends in a dot is the same name. */
const bare = (hostname: string) => hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
