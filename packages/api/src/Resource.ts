import type { Scope } from '@jackcloud/sdk/wire'

/** What a token was made for (RFC 8707): the whole API, or its MCP server alone. */
export type Resource = 'api' | 'mcp'

/** Where a resource is, below the API. */
const pathOf = { api: '', mcp: '/mcp' } as const satisfies Record<Resource, string>

/** What a client that does not know better asks for (RFC 9728, `scopes_supported`). */
export const usualScopes: readonly Scope[] = ['read', 'execute', 'deploy']

/**
 * @param base the API's URL, without a slash at the end
 * @example resourceUrl('https://jack.example', 'mcp') // 'https://jack.example/mcp'
 */
export const resourceUrl = (base: string, resource: Resource): string => base + pathOf[resource]

/** The resource of a URL; undefined when it is none of this API's. */
export const resourceOf = (base: string, url: string): Resource | undefined =>
  (Object.keys(pathOf) as Resource[]).find((it) => url.replace(/\/$/, '') === resourceUrl(base, it))

/** What a request for a path asks to use. */
export const resourceAt = (path: string): Resource =>
  path === pathOf.mcp || path.startsWith(`${pathOf.mcp}/`) ? 'mcp' : 'api'

/** Whether a token that was made for one resource may use another: everything holds the MCP server too. */
export const covers = (made: Resource | null, used: Resource): boolean =>
  made === null || made === 'api' || made === used
